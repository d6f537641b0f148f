"""Non-maximum suppression of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.values import Mask

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

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
    coarse = [mask[step // 2 :: step, step // 2 :: step] for mask in masks]
    areas = np.array([np.count_nonzero(pixels) for pixels in coarse])
    boxes = np.array([mask_to_box(pixels) or (0, 0, 0, 0) for pixels in coarse])
    is_kept = np.zeros(len(masks), bool)
    for index, pixels in enumerate(coarse):
        possible = np.flatnonzero(is_kept[:index] & _may_exceed(index, areas[: index + 1], boxes[: index + 1], max_iou))
        is_kept[index] = not any(
            _exceeds(pixels, coarse[other], int(areas[index]), int(areas[other]), max_iou) for other in possible
        )
    return np.flatnonzero(is_kept).tolist()


def _may_exceed(index: int, areas: Integers, boxes: Integers, max_iou: float) -> Bools:
    """Return which of the masks before `index` may overlap it too much, as far as areas and boxes tell."""
    width = np.minimum(boxes[:-1, 2], boxes[index, 2]) - np.maximum(boxes[:-1, 0], boxes[index, 0])
    height = np.minimum(boxes[:-1, 3], boxes[index, 3]) - np.maximum(boxes[:-1, 1], boxes[index, 1])
    shared = np.minimum(np.maximum(width, 0) * np.maximum(height, 0), np.minimum(areas[:-1], areas[index]))
    return shared > max_iou * (areas[:-1] + areas[index] - shared)


def _exceeds(one: Mask, other: Mask, area: int, other_area: int, max_iou: float) -> bool:
    """Whether the IoU of two masks is larger than `max_iou`."""
    intersection = int(np.count_nonzero(one & other))
    return intersection > max_iou * (area + other_area - intersection)
