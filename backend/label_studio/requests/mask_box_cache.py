"""Cache of the bounding boxes of masks on the page, so that a click decodes only the masks it may refer to."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable

from backend.errors import BadRle
from backend.geometry import mask_to_box
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.correctable_regions import CorrectableRegion, shapes_of
from backend.label_studio.results import brush_box, polygon_box
from backend.runtime import LeastRecentlyUsed
from backend.values import Box

MAX_BOXES = 20_000  # about 4 MB
EMPTY_BOX: Box = (0.0, 0.0, 0.0, 0.0)


class MaskBoxCache:
    """LRU cache of bounding boxes, keyed by the content of the masks. Thread-safe."""

    def __init__(self, max_boxes: int = MAX_BOXES) -> None:
        self._boxes = LeastRecentlyUsed[Hashable, Box](max_boxes)

    def box_of(self, region: CorrectableRegion, config: ImageConfig) -> Box:
        """Return the box (XYXY) around a region's mask; (0, 0, 0, 0) for an empty mask.

        The box of a brush is computed from its RLE and that of a polygon from its points, without rasterising them.

        Raises:
            BadRegion: The mask is damaged.
        """
        box = self._boxes.get(region.mask_name)
        if box is None:
            box = _read_box(region, config) or EMPTY_BOX
            self._boxes.put(region.mask_name, box)
        return box


def _read_box(region: CorrectableRegion, config: ImageConfig) -> Box | None:
    """Return the box of a region's mask; None for an empty mask.

    A single brush or polygon is not painted, which costs as much as the image has pixels. `decode` reads any other
    region and raises for a damaged one.
    """
    shapes = list(shapes_of(region.results))
    if len(shapes) == 1 and shapes[0][0] == "brush" and not region.has_strokes:
        with contextlib.suppress(BadRle):
            return brush_box(shapes[0][1], region.drawn_size)
    if len(shapes) == 1 and shapes[0][0] == "polygon":
        return polygon_box({"points": shapes[0][1]}, region.drawn_size)
    return mask_to_box(region.decode(config).mask)
