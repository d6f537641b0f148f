"""In which box a mask on the page lies, remembered, so that a click decodes only the masks it may be about."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from backend.errors import BadRle
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.correctable_regions import CorrectableRegion, shapes_of
from backend.label_studio.results import brush_box
from backend.runtime import LeastRecentlyUsed
from backend.values import Box, Mask

MOST = 20_000  # about 4 MB


class MaskBoxCache:
    """Boxes of the masks that were seen last, found by what they are made of. Safe to share."""

    def __init__(self, most: int = MOST) -> None:
        self._boxes = LeastRecentlyUsed[Hashable, Box](most)

    def box_of(self, region: CorrectableRegion, config: ImageConfig) -> Box:
        """XYXY around a region's mask, (0, 0, 0, 0) for an empty one; each is read once, and a brush is not painted.

        Raises:
            BadRegion: The mask is damaged.
        """
        box = self._boxes.get(region.mask_name)
        if box is None:
            box = _brush_box(region) or mask_box(region.decode(config).mask)
            self._boxes.put(region.mask_name, box)
        return box


def _brush_box(region: CorrectableRegion) -> Box | None:
    """The box of a region that is one sound brush and nothing else; None for any other, which `decode` reads."""
    shapes = list(shapes_of(region.results))
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
