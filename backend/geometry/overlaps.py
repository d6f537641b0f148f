"""Non-maximum suppression of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.values import Mask

COARSE_SIDE = 512  # masks are compared at about this many pixels per side


def mask_nms(masks: Sequence[Mask], max_iou: float) -> list[int]:
    """Return the indices of the masks that no earlier mask overlaps too much.

    SAM's generator suppresses duplicates by their boxes, but a distant speck changes the box of the same mask.

    Args:
        masks: bool (H, W), all of one size, best first.
        max_iou: Of two masks with a larger IoU the later one is dropped; 1 keeps all.
    """
    if max_iou >= 1 or not len(masks):
        return list(range(len(masks)))
    step = max(1, max(masks[0].shape) // COARSE_SIDE)
    coarse = [mask[step // 2 :: step, step // 2 :: step].reshape(-1) for mask in masks]
    areas = [int(np.count_nonzero(pixels)) for pixels in coarse]
    kept: list[int] = []
    for index, pixels in enumerate(coarse):
        if not any(_exceeds(pixels, coarse[other], areas[index], areas[other], max_iou) for other in kept):
            kept.append(index)
    return kept


def _exceeds(one: Mask, other: Mask, area: int, other_area: int, max_iou: float) -> bool:
    """Whether the IoU of two masks is larger than `max_iou`."""
    small, large = sorted((area, other_area))
    if small <= max_iou * large:  # the IoU cannot exceed the ratio of the areas
        return False
    intersection = int(np.count_nonzero(one & other))
    return intersection > max_iou * (area + other_area - intersection)
