"""Two shortcuts for automatic masks that cost a little recall: skip covered points, and merge similar masks early.

Points are decoded in an order that spreads over the image. What a confident mask covers has been found, so the points
on it that are still waiting are dropped. Masks that are nearly the same at low resolution become one before they are
brought to the original size.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

MERGED_IOU = 0.9  # of two masks at low resolution that are merged
COMPARED_SIDE = 64  # cells per side in that comparison


class WaitingPoints:
    """Points of one image that have not been decoded yet.

    Args:
        cells: Column and row (N, 2) of each point in the low-resolution masks.
        min_score: Predicted IoU of a mask whose points need not be decoded.
    """

    def __init__(self, cells: Tensor, min_score: float) -> None:
        order = np.random.default_rng(0).permutation(len(cells))  # the same for each image, so that answers repeat
        self._waiting = torch.as_tensor(order, device=cells.device)
        self._cells, self._min_score = cells.long(), min_score

    def take(self, count: int) -> Tensor:
        """Return the indices of the next points, at most `count`; they wait no longer."""
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def skip_covered(self, low_res_masks: Tensor, scores: Tensor, threshold: float) -> None:
        """Drop the points on confident masks; logits (masks, M, M), predicted IoU (masks,)."""
        covered = (low_res_masks[scores >= self._min_score] > threshold).any(dim=0)
        columns, rows = self._cells[self._waiting].T
        self._waiting = self._waiting[~covered[rows, columns]]


def distinct_masks(low_res_masks: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Return the indices of masks to keep, best first: of those that are nearly the same, the one with the best score.

    Args:
        low_res_masks: Logits (N, M, M).
        scores: Predicted IoU (N,).
    """
    step = max(1, low_res_masks.shape[1] // COMPARED_SIDE)
    order = torch.argsort(scores, descending=True, stable=True)
    masks = (low_res_masks[order, ::step, ::step] > threshold).flatten(1).float()
    intersection, area = masks @ masks.T, masks.sum(dim=1)
    is_same = (intersection >= MERGED_IOU * (area[:, None] + area - intersection)).cpu().numpy()
    kept: list[int] = []
    is_left = np.ones(len(masks), bool)
    for place in range(len(masks)):
        if is_left[place]:
            kept.append(place)
            is_left &= ~is_same[place]
    return order[torch.as_tensor(kept, dtype=torch.long, device=order.device)]
