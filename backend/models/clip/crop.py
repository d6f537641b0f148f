"""What CLIP sees of one object: a square around its mask, with what is not the object blurred.

The crop keeps some context and the outside of the mask is blurred, not blackened: CLIP was trained on photographs and
reads a black frame as part of the picture, while a blurred one only loses the reader's attention.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.errors import BadPrompt
from backend.geometry import mask_to_box
from backend.values import Mask, Pixels

CONTEXT = 0.10  # of the box's longer side, added on each side
BLUR = 1 / 12  # sigma of the blur outside the mask, of the crop's side
_OWN_PART = 0.7  # of the largest part's area


def crop_for_clip(pixels: Pixels, mask: Mask, side: int) -> Pixels:
    """Cut out one object as CLIP shall see it: a square around the mask, with what is not the object blurred.

    Args:
        pixels: uint8 RGB (H, W, 3).
        mask: bool (H, W), not empty.
        side: Of the square that comes out, in pixels: the model's image size.

    Returns:
        uint8 RGB (side, side, 3). Parts of the square outside the image repeat its border.
    """
    mask = _main_parts(mask)
    left, top, right, bottom = _square_around(mask)
    height, width = mask.shape
    inside = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    border = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    crop = cv2.copyMakeBorder(np.ascontiguousarray(pixels[inside]), *border, cv2.BORDER_REPLICATE)
    cover = cv2.copyMakeBorder(mask[inside].astype(np.float32), *border, cv2.BORDER_CONSTANT, value=0.0)
    shrinking = crop.shape[0] > side
    resample = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    crop = cv2.resize(crop, (side, side), interpolation=resample)
    cover = cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)[..., None]
    blurred = cv2.GaussianBlur(crop, (0, 0), side * BLUR)
    return np.rint(crop * cover + blurred * (1 - cover)).astype(np.uint8)


def _main_parts(mask: Mask) -> Mask:
    """The mask without parts much smaller than the largest.

    A class is read from the largest part; a stray one, often a piece of a neighbour of the same colour, would widen
    the crop until the object is a few pixels in it. Parts of about the same size stay: an object may be hidden in its
    middle. On 575 objects of tuning scenes, limits of 0.1, 0.3, 0.5, 0.7 and 1 gave 92.5, 93.0, 93.4, 93.7 and 93.9 %
    right names.
    """
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept: Mask = (areas >= _OWN_PART * areas.max()) & (areas > 0)
    return kept[parts]


def _square_around(mask: Mask) -> tuple[int, int, int, int]:
    """The square with its context, XYXY; it may reach over the border of the image."""
    box = mask_to_box(mask)
    if box is None:
        raise BadPrompt("The mask has no pixel.", remedy="Click on an object or draw a larger box.")
    left, top, right, bottom = box
    side = max(2, round(max(bottom - top, right - left) * (1 + 2 * CONTEXT)))
    x, y = (left + right - side) // 2, (top + bottom - side) // 2
    return x, y, x + side, y + side
