"""A mask of which only the part around it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.values import Mask, Size

PixelBox = tuple[int, int, int, int]
"""First column and row of a mask, and the ones behind its last; all 0 for an empty mask."""
EMPTY_BOX: PixelBox = (0, 0, 0, 0)


@dataclass(frozen=True)
class MaskPart:
    """A mask at original size: `pixels` bool, the part within `box_xyxy`."""

    pixels: Mask
    box_xyxy: PixelBox

    def move(self, x: int, y: int) -> MaskPart:
        """Return the part at another place: of a crop's mask, given the crop's first pixel, its place in the image."""
        left, top, right, bottom = self.box_xyxy
        return self if self is EMPTY_PART else MaskPart(self.pixels, (left + x, top + y, right + x, bottom + y))

    def to_mask(self, size: Size) -> Mask:
        """Return the whole mask, bool (H, W)."""
        mask = np.zeros((size.height, size.width), bool)
        left, top, right, bottom = self.box_xyxy
        mask[top:bottom, left:right] = self.pixels
        return mask


EMPTY_PART = MaskPart(np.zeros((0, 0), bool), EMPTY_BOX)


def mask_box(pixels: NDArray[np.bool_], first: tuple[int, int]) -> PixelBox:
    """Return the box of a mask in the image; `first` is the XY of the first of `pixels` in it."""
    left, top, width, height = cv2.boundingRect(pixels.view(np.uint8))
    if not width:
        return EMPTY_BOX
    left, top = left + first[0], top + first[1]
    return left, top, left + width, top + height


def crop_to_mask(pixels: NDArray[np.bool_], first: tuple[int, int]) -> MaskPart:
    """Copy the part around a mask; `first` is the XY of the first of `pixels` in the image."""
    box = left, top, right, bottom = mask_box(pixels, first)
    if box == EMPTY_BOX:
        return EMPTY_PART
    return MaskPart(pixels[top - first[1] : bottom - first[1], left - first[0] : right - first[0]].copy(), box)
