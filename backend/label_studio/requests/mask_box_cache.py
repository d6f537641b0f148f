"""Cache of the bounding boxes of masks on the page, so that a click decodes only the masks it may refer to."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from backend.errors import BadRle
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.correctable_regions import CorrectableRegion, shapes_of
from backend.label_studio.results import brush_box
from backend.runtime import LeastRecentlyUsed
from backend.values import Box, Mask

MAX_BOXES = 20_000  # about 4 MB


class MaskBoxCache:
    """LRU cache of bounding boxes, keyed by the content of the masks. Thread-safe."""

    def __init__(self, max_boxes: int = MAX_BOXES) -> None:
        self._boxes = LeastRecentlyUsed[Hashable, Box](max_boxes)

    def box_of(self, region: CorrectableRegion, config: ImageConfig) -> Box:
        """Return the box (XYXY) around a region's mask; (0, 0, 0, 0) for an empty mask.

        The box of a brush is computed from its RLE without rasterising the mask.

        Raises:
            BadRegion: The mask is damaged.
        """
        box = self._boxes.get(region.mask_name)
        if box is None:
            box = _brush_box(region) or mask_box(region.decode(config).mask)
            self._boxes.put(region.mask_name, box)
        return box


def _brush_box(region: CorrectableRegion) -> Box | None:
    """Return the box of a region that is a single valid brush; None for any other region, which must be decoded."""
    shapes = list(shapes_of(region.results))
    if len(shapes) != 1 or shapes[0][0] != "brush":
        return None
    try:
        return brush_box(shapes[0][1], region.drawn_size)
    except BadRle:
        return None


def mask_box(mask: Mask) -> Box:
    """Return the box (XYXY) around the pixels of a mask; (0, 0, 0, 0) for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
