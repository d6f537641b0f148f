"""Low-resolution logits to stable masks at original size on a GPU: many masks at once, one copy to the host at the end.

Only logits at low resolution are kept on the device. The few masks that remain at the end are enlarged a second time,
which costs less than the memory of all masks at original size.

Source: segment_anything.SamAutomaticMaskGenerator._process_batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from segment_anything.utils.amg import batched_mask_to_box, calculate_stability_score
from torch import Tensor

from backend.models.automatic_masks.mask_enlarger import STABILITY_OFFSET
from backend.models.automatic_masks.mask_part import MaskPart, PixelBox, crop_to_mask
from backend.values import Size

MAX_BATCH_PIXELS = 64_000_000  # float32 logits at original size, 256 MB


class FinishingOnDevice:
    """Masks that torch enlarges on the model's device, many at once; see `MaskFinishing`.

    Args:
        enlarge: Upscales logits (B, 1, M, M) to (B, 1, H, W).
        size: Of the original image.
        threshold: Logit above which a pixel belongs to the mask.
    """

    def __init__(self, enlarge: Callable[[Tensor], Tensor], size: Size, threshold: float, min_stability: float) -> None:
        self._enlarge_batch, self._threshold, self._min_stability = enlarge, threshold, min_stability
        self._batch = max(1, MAX_BATCH_PIXELS // (size.width * size.height))
        self._kept: list[tuple[Tensor, Tensor, Tensor]] = []  # logits (N, M, M), scores (N,), boxes (N, 4)

    def add(self, low_res_masks: Tensor, scores: Tensor) -> None:
        for logits, batch_scores in zip(low_res_masks.split(self._batch), scores.split(self._batch), strict=True):
            (enlarged,) = self._enlarge(logits)
            if self._min_stability > 0:
                stability = calculate_stability_score(enlarged, self._threshold, STABILITY_OFFSET)
                is_stable = stability >= self._min_stability
            else:
                is_stable = torch.ones_like(batch_scores, dtype=torch.bool)
            boxes = _to_boxes(enlarged > self._threshold)
            self._kept.append((logits[is_stable], batch_scores[is_stable], boxes[is_stable]))

    def found(self) -> tuple[list[PixelBox], list[float]]:
        if not self._kept:
            return [], []
        boxes, scores = (torch.cat([kept[column] for kept in self._kept]).tolist() for column in (2, 1))
        return [(left, top, right, bottom) for left, top, right, bottom in boxes], scores

    def parts(self, places: Sequence[int]) -> list[MaskPart]:
        if not places:
            return []
        logits = torch.cat([kept[0] for kept in self._kept])[list(places)]
        masks = torch.cat([enlarged > self._threshold for enlarged in self._enlarge(logits)])
        return [crop_to_mask(mask, (0, 0)) for mask in masks.cpu().numpy()]

    def _enlarge(self, low_res_masks: Tensor) -> Iterator[Tensor]:
        """Enlarge logits (N, M, M) batch by batch to (…, H, W)."""
        for logits in low_res_masks.split(self._batch):
            yield self._enlarge_batch(logits[:, None])[:, 0]


def _to_boxes(masks: Tensor) -> Tensor:
    """Return the boxes (N, 4) of masks (N, H, W), up to behind the last pixel; all 0 for an empty mask."""
    boxes = batched_mask_to_box(masks)
    boxes[:, 2:] += masks.flatten(1).any(dim=1)[:, None]
    return boxes
