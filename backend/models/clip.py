"""ClipClassifier: what is under this mask, in the words of the project's own vocabulary.

The crop keeps some context and the outside of the mask is blurred, not blackened: CLIP was trained on photographs and
reads a black frame as part of the picture, while a blurred one only loses the reader's attention.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import BadPrompt
from ..values import Mask, Pixels

CONTEXT = 0.10  # of the box's longer side, added on each side
BLUR = 1 / 12  # sigma of the blur outside the mask, of the crop's side


def crop_for_clip(pixels: Pixels, mask: Mask, side: int) -> Pixels:
    """Cut out one object as CLIP shall see it: a square around the mask, with what is not the object blurred.

    Args:
        pixels: uint8 RGB (H, W, 3).
        mask: bool (H, W), not empty.
        side: Of the square that comes out, in pixels: the model's image size.

    Returns:
        uint8 RGB (side, side, 3). Parts of the square outside the image repeat its border.
    """
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


def _square_around(mask: Mask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise BadPrompt("The mask has no pixel.", remedy="Click on an object or draw a larger box.")
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    side = max(2, round(max(bottom - top, right - left) * (1 + 2 * CONTEXT)))
    y, x = (top + bottom - side) // 2, (left + right - side) // 2
    return x, y, x + side, y + side
