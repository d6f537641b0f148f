"""In which box a mask on the page lies, remembered, so that a click decodes only the masks it may be about."""

from __future__ import annotations

import hashlib

import numpy as np

from backend.label_studio.earlier import SHAPE_KEYS, EarlierRegion
from backend.label_studio.labels import kind_of_region, value_of
from backend.lru import LeastRecentlyUsed
from backend.values import Box, Mask

MOST = 20_000  # about 4 MB


class MaskBoxes:
    """Boxes of the masks that were decoded last, found by the digest of their RLE and size. Safe to share."""

    def __init__(self, most: int = MOST) -> None:
        self._boxes = LeastRecentlyUsed[bytes, Box](most)

    def get(self, key: bytes) -> Box | None:
        """The box as it was put; None for a mask that was not decoded yet."""
        return self._boxes.get(key)

    def put(self, key: bytes, mask: Mask) -> None:
        """Remember the box around a mask, bool (H, W); an empty one lies in the box (0, 0, 0, 0)."""
        self._boxes.put(key, mask_box(mask))


def mask_key(region: EarlierRegion) -> bytes:
    """Names a region's mask by what it is made of, not by an id that somebody may reuse; b"" where it is damaged."""
    digest = hashlib.blake2b(str(region.drawn_size).encode(), digest_size=16)
    for result in region.results:
        kind = kind_of_region(result)
        if not kind or not (kind in SHAPE_KEYS or str(result.get("type")).endswith("labels")):
            continue  # classes and texts of a region repeat its mask
        shape = value_of(result).get(SHAPE_KEYS.get(kind, "rle"))
        try:
            digest.update(bytes(shape) if kind != "polygon" and isinstance(shape, list) else repr(shape).encode())
        except (TypeError, ValueError):
            return b""
    return digest.digest()


def mask_box(mask: Mask) -> Box:
    """XYXY around the pixels of a mask, (0, 0, 0, 0) for none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
