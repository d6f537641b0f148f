"""In which box a mask on the page lies, remembered, so that a click decodes only the masks it may be about."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable

from backend.errors import BadRle
from backend.geometry import mask_to_box
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.correctable_regions import CorrectableRegion, shapes_of
from backend.label_studio.results import brush_box
from backend.runtime import LeastRecentlyUsed
from backend.values import Box

MOST = 20_000  # about 4 MB
EMPTY_BOX: Box = (0.0, 0.0, 0.0, 0.0)


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
            box = _read_box(region, config) or EMPTY_BOX
            self._boxes.put(region.mask_name, box)
        return box


def _read_box(region: CorrectableRegion, config: ImageConfig) -> Box | None:
    """Return the box of a region's mask; None for an empty mask.

    A region that is a single valid brush is not painted. `decode` reads any other region and raises for a damaged one.
    """
    shapes = list(shapes_of(region.results))
    if len(shapes) == 1 and shapes[0][0] == "brush":
        with contextlib.suppress(BadRle):
            return brush_box(shapes[0][1], region.drawn_size)
    return mask_to_box(region.decode(config).mask)
