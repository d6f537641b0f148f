"""Models without which the backend is still useful: CLIP and the detector. One that cannot be loaded is only logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from backend.errors import BackendError, shorten
from backend.models import checkpoints, registry
from backend.models.model_lock import verify_download
from backend.models.smaller import CLIP

if TYPE_CHECKING:
    from backend.models.clip.classifier import ClipClassifier
    from backend.models.protocols import Detector

log = logging.getLogger(__name__)

NONE = "none"
ModelT = TypeVar("ModelT")


@dataclass(frozen=True)
class OptionalModel(Generic[ModelT]):
    """A model and its weights' digest, or the reason why it is not loaded."""

    model: ModelT | None = None
    sha256: str = ""
    problem: str = ""


def load_classifier(name: str, pretrained: str, weights_dir: Path, device: str) -> OptionalModel[ClipClassifier]:
    """Load CLIP.

    Args:
        name, pretrained, device: The values of CLIP_MODEL, CLIP_PRETRAINED and DEVICE.
    """
    if name == NONE:
        return OptionalModel(problem="CLIP_MODEL is none")

    def load() -> OptionalModel[ClipClassifier]:
        from backend.models.clip.classifier import load_clip
        from backend.models.out_of_memory import explain_out_of_memory  # imports torch

        entry = registry.find_classifier(name)
        if pretrained:
            entry = replace(entry, lexicon=None)  # other weights know other words
        path = checkpoints.find_classifier_checkpoint(entry, pretrained, weights_dir)
        verify_download(path, None, weights_dir)
        build, machine = partial(load_clip, entry, path, device=device), f"this machine (DEVICE={device})"
        return OptionalModel(explain_out_of_memory(CLIP, machine, "its weights", build), checkpoints.sha256_of(path))

    return _try("CLIP; masks will have no classes", load)


def load_detector(name: str, checkpoint: str, weights_dir: Path, device: str) -> OptionalModel[Detector]:
    """Load a detector.

    Args:
        name, checkpoint, device: The values of DETECTOR, DETECTOR_CHECKPOINT and DEVICE.

    Raises:
        BadSettings: The name is none of a detector.
    """
    if name == NONE:
        return OptionalModel(problem="DETECTOR is none")
    entry = registry.find_detector(name)

    def load() -> OptionalModel[Detector]:
        folder = checkpoints.find_detector_folder(entry, checkpoint, weights_dir)
        verify_download(folder, entry.published, weights_dir)
        model = registry.build_detector(entry, folder, device=device)
        return OptionalModel(model, checkpoints.fingerprint_of(folder))

    return _try("the detector; CLIP will search for texts", load)


def _try(what: str, load: Callable[[], OptionalModel[ModelT]]) -> OptionalModel[ModelT]:
    """Load a model, or log and return the reason why it is not loaded."""
    try:
        return load()
    except BackendError as error:
        log.error("Could not load %s. %s", what, error)
        return OptionalModel(problem=str(error))
    except Exception as error:  # whatever is wrong with it, clicks are useful without it
        log.exception("Could not load %s.", what)
        return OptionalModel(problem=shorten(f"{type(error).__name__}: {error}"))
