"""The builder of the family "sam1": SAM's first release, and models that share its prompt encoder and mask decoder."""

from __future__ import annotations

from pathlib import Path

from backend.models.checkpoints import load_into
from backend.models.protocols import Segmenter
from backend.models.registry import SegmenterEntry
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter


def build(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Build the entry's SAM with its weights.

    Raises:
        BadSettings: The device or the dtype does not exist.
        CheckpointError: The file is damaged or holds another model's weights.
    """
    model = build_sam(entry.name)
    load_into(model, checkpoint, entry.name)
    return SamSegmenter(model, device=device, encoder_dtype=dtype)
