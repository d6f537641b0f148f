"""In which box a mask on the page lies, remembered, so that a click decodes only the masks it may be about."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from backend.errors import BadRle
from backend.label_studio.brush_rle import brush_box
from backend.label_studio.config import LabelingConfig
from backend.label_studio.earlier import SHAPE_KEYS, EarlierRegion
from backend.label_studio.labels import kind_of_region, value_of
from backend.lru import LeastRecentlyUsed
from backend.values import Box, Mask

MOST = 20_000  # about 4 MB


class MaskBoxes:
    """Boxes of the masks that were seen last, found by what they are made of. Safe to share."""

    def __init__(self, most: int = MOST) -> None:
        self._boxes = LeastRecentlyUsed[Hashable, Box](most)

    def box_of(self, region: EarlierRegion, config: LabelingConfig) -> Box:
        """XYXY around a region's mask, (0, 0, 0, 0) for an empty one; each is read once, and a brush is not painted.

        Raises:
            BadRegion: The mask is damaged.
        """
        key = mask_key(region)
        box = self._boxes.get(key)
        if box is None:
            box = _brush_box(region) or mask_box(region.decode(config).mask)
            self._boxes.put(key, box)
        return box


def mask_key(region: EarlierRegion) -> tuple[Hashable, ...]:
    """Names a region's mask by what it is made of, not by an id that somebody may reuse."""
    return region.drawn_size, *(_name(shape) for _, shape in _shapes(region))


def _shapes(region: EarlierRegion) -> Iterator[tuple[str, Any]]:
    """Kind and shape of each result that has one; classes and texts of a region repeat its mask and are left out."""
    for result in region.results:
        kind = kind_of_region(result)
        if kind and (kind in SHAPE_KEYS or str(result.get("type")).endswith("labels")):
            yield kind, value_of(result).get(SHAPE_KEYS.get(kind, "rle"))


def _name(shape: object) -> Hashable:
    """Two numbers of 64 bits for a text, which Python works out once and keeps with it; a digest of anything else."""
    if isinstance(shape, str):
        return hash(shape), len(shape)
    try:
        raw = bytes(shape) if isinstance(shape, list) else repr(shape).encode()
    except (TypeError, ValueError):
        raw = repr(shape).encode()
    return hashlib.blake2b(raw, digest_size=16).digest()


def _brush_box(region: EarlierRegion) -> Box | None:
    """The box of a region that is one sound brush and nothing else; None for any other, which `decode` reads."""
    shapes = list(_shapes(region))
    if len(shapes) != 1 or shapes[0][0] != "brush":
        return None
    try:
        return brush_box(shapes[0][1], region.drawn_size)
    except BadRle:
        return None


def mask_box(mask: Mask) -> Box:
    """XYXY around the pixels of a mask, (0, 0, 0, 0) for none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
