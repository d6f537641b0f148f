"""The subject of the benchmark: this backend as `wiring` builds it, and the bare model for its peers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

from backend.errors import BadSettings
from backend.models import checkpoints, registry
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.predict import TaskPredictor
from backend.settings import Settings
from backend.wiring import build_predictor


@dataclass(frozen=True)
class Subject:
    """One SAM: the whole backend around it, the segmenter alone, and the bare model for the peers.

    The segmenter and the peers share one copy of the weights, on the same device and in the same precision.
    """

    name: str
    settings: Settings
    predictor: TaskPredictor
    segmenter: SamSegmenter
    sam: Sam

    def new_peer(self) -> SamPredictor:
        """Return segment_anything's predictor, which holds one image at a time."""
        return SamPredictor(self.sam)


def build_subject(settings: Settings) -> Subject:
    """Load the models named in `settings`.

    Raises:
        CheckpointError: The weights are missing.
        BadSettings: A model that segment_anything cannot decode.
    """
    name = settings.sam_model
    entry = registry.find_segmenter(name)
    path = checkpoints.find_segmenter_checkpoint(entry, settings.sam_checkpoint, settings.weights_path)
    segmenter = registry.build_segmenter(entry, path, device=settings.device, dtype=settings.sam_dtype)
    if not isinstance(segmenter, SamSegmenter):
        raise BadSettings(
            f"SAM_MODEL is {name}, which these sections cannot compare with segment_anything.",
            remedy=f"Measure it with --families {name}.",
        )
    return Subject(name, settings, build_predictor(settings), segmenter, segmenter._sam.model)


def with_random_weights(settings: Settings, model_name: str, folder: Path) -> Settings:
    """Return settings for a published architecture with random weights, which are as fast as the published ones."""
    path = folder / f"{model_name}_random.pth"
    torch.manual_seed(0)
    torch.save(build_sam(model_name).state_dict(), path)
    return settings.model_copy(update={"sam_model": model_name, "sam_checkpoint": str(path)})


def with_random_clip(settings: Settings, model_name: str, folder: Path) -> Settings:
    """Return settings for an open_clip model with random weights, which are as fast as the published ones."""
    path = folder / f"{model_name}_random.pt"
    torch.manual_seed(0)
    torch.save(open_clip.create_model(model_name).state_dict(), path)
    return settings.model_copy(update={"clip_model": model_name, "clip_pretrained": str(path)})
