"""Separation of a mask into its connected parts."""

from __future__ import annotations

import cv2
import numpy as np

from backend.geometry.fits import mask_to_box
from backend.values import Mask


def separate_parts(mask: Mask, min_share: float) -> list[Mask]:
    """Return the large parts of a mask, each as a mask of its own, the largest first.

    Pixels that touch at a corner belong to one part.

    Args:
        mask: bool (H, W).
        min_share: Minimum area of a part, as a fraction of the largest part's.

    Returns:
        bool (H, W) each. If there is only one large part, `mask` itself with its smaller parts; none if it is empty.
    """
    box = mask_to_box(mask)
    if box is None:
        return []
    left, top, right, bottom = box
    inside = np.ascontiguousarray(mask[top:bottom, left:right], np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    large = [int(place) for place in np.argsort(-areas, kind="stable") if areas[place] >= min_share * areas.max()]
    if len(large) == 1:
        return [mask]
    parts = []
    for place in large:
        part = np.zeros_like(mask)
        part[top:bottom, left:right] = labels == place + 1
        parts.append(part)
    return parts
