"""Saved regions to encoded ones: the step that takes most of an export's time."""

from __future__ import annotations

from backend.export import EncodedRegion, encode_region
from backend.label_studio.results import SavedRegion


def encode_saved_region(saved: SavedRegion) -> EncodedRegion:
    """Encode a region of an annotation; a brush is not painted, other shapes are.

    Raises:
        BadRegion: Its shape is missing or damaged; see `SavedRegion.decode`.
    """
    label, *others = saved.labels or ("",)
    return encode_region(
        saved.decode_shape(),
        label,
        saved.region_id,
        score=saved.score,
        choices=saved.choices,
        kind=saved.kind,
        other_labels=tuple(others),
    )
