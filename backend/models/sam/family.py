"""Builder of the "sam1" family: SAM's first release and models that share its prompt encoder and mask decoder."""

from __future__ import annotations

from pathlib import Path

from backend.models.checkpoints import load_into
from backend.models.entries import SegmenterEntry
from backend.models.protocols import Segmenter
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter


def build(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Build the SAM of a registry entry and load its weights.

    Raises:
        BadSettings: Unknown device or dtype.
        CheckpointError: Damaged, or the weights of another model.
    """
    model = build_sam(entry.name)
    load_into(model, checkpoint, entry.name)
    return SamSegmenter(model, device=device, encoder_dtype=dtype, name=entry.name)
