"""Boxes, the image that they lie on, and the masks of what is in them."""

from __future__ import annotations

import math

import cv2
import numpy as np

from backend.geometry.fits import mask_to_box
from backend.values import Box, Mask, Size


def clip_box(box_xyxy: Box, size: Size) -> Box | None:
    """Return the part of a box that lies on an image; None if that has no area.

    >>> clip_box((-5.0, 10.0, 20.0, 99.0), Size(64, 48))
    (0.0, 10.0, 20.0, 48.0)
    """
    left, top, right, bottom = box_xyxy
    left, top = max(left, 0.0), max(top, 0.0)
    right, bottom = min(right, float(size.width)), min(bottom, float(size.height))
    return (left, top, right, bottom) if left < right and top < bottom else None


def keep_parts_in_box(mask: Mask, box_xyxy: Box) -> Mask:
    """Remove the parts of a mask of which no pixel lies in a box; a part that reaches over its edges stays whole.

    Pixels that touch at a corner belong to one part.

    Args:
        mask: bool (H, W).
        box_xyxy: On the image.

    Returns:
        bool (H, W); `mask` itself if there is nothing to remove.
    """
    covered = mask_to_box(mask)
    if covered is None:
        return mask
    left, top, right, bottom = covered
    count, parts = cv2.connectedComponents(mask[top:bottom, left:right].astype(np.uint8), connectivity=8)
    columns = slice(max(math.floor(box_xyxy[0]) - left, 0), max(math.ceil(box_xyxy[2]) - left, 0))
    rows = slice(max(math.floor(box_xyxy[1]) - top, 0), max(math.ceil(box_xyxy[3]) - top, 0))
    kept = np.zeros(count, bool)
    kept[np.unique(parts[rows, columns])] = True
    kept[0] = False  # which is everything outside the mask
    if kept.sum() == count - 1:
        return mask
    rest = np.zeros_like(mask)
    rest[top:bottom, left:right] = kept[parts]
    return rest
