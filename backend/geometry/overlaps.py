"""Which masks are the same thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.values import Mask

COARSE_SIDE = 512  # masks are compared on about so many pixels a side


def mask_nms(masks: Sequence[Mask], most_iou: float) -> list[int]:
    """Non-maximum suppression by the masks themselves: the places of those that no earlier one overlaps too much.

    SAM's generator compares boxes, and a speck far away makes another box of the same mask.

    Args:
        masks: bool (H, W), all of one size, best first.
        most_iou: Of two with a larger IoU the later one goes; 1 keeps all.
    """
    if most_iou >= 1 or not len(masks):
        return list(range(len(masks)))
    step = max(1, max(masks[0].shape) // COARSE_SIDE)
    coarse = [mask[step // 2 :: step, step // 2 :: step].reshape(-1) for mask in masks]
    areas = [int(np.count_nonzero(pixels)) for pixels in coarse]
    kept: list[int] = []
    for place, pixels in enumerate(coarse):
        if not any(_is_over(pixels, coarse[other], areas[place], areas[other], most_iou) for other in kept):
            kept.append(place)
    return kept


def _is_over(one: Mask, other: Mask, area: int, other_area: int, most_iou: float) -> bool:
    small, large = sorted((area, other_area))
    if small <= most_iou * large:  # no IoU is above the quotient of the areas
        return False
    common = int(np.count_nonzero(one & other))
    return common > most_iou * (area + other_area - common)
