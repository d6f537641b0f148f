"""Low-resolution logits to stable masks at original size: the second half of automatic masks, on the CPU or the device.

Both do what SamAutomaticMaskGenerator does after its decoder: resize, drop unstable masks, compare with the threshold,
find the boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from backend.models.automatic_masks.mask_enlarger import MaskEnlarger, StableMask
from backend.models.automatic_masks.mask_part import MaskPart, PixelBox


class MaskFinishing(Protocol):
    """Masks of one image that are stable; more can be added."""

    def add(self, low_res_masks: Tensor, scores: Tensor) -> None:
        """Add candidates with logits (N, M, M) and predicted IoU (N,), unless they are unstable."""
        ...

    def found(self) -> tuple[list[PixelBox], list[float]]:
        """Return box and predicted IoU of each mask, in the order in which they were added."""
        ...

    def parts(self, places: Sequence[int]) -> list[MaskPart]:
        """Return some of the masks by their place in `found`."""
        ...


class FinishingOnCpu:
    """Masks that OpenCV enlarges one by one, each only where it lies; see `MaskFinishing`."""

    def __init__(self, enlarger: MaskEnlarger, min_stability: float) -> None:
        self._enlarger, self._min_stability = enlarger, min_stability
        self._masks: list[StableMask] = []
        self._scores: list[float] = []

    def add(self, low_res_masks: Tensor, scores: Tensor) -> None:
        for logits, score in zip(low_res_masks.numpy(), scores.tolist(), strict=True):
            found = self._enlarger.find(logits, self._min_stability)
            if found is not None:
                self._masks.append(found)
                self._scores.append(score)

    def found(self) -> tuple[list[PixelBox], list[float]]:
        return [mask.box_xyxy for mask in self._masks], self._scores

    def parts(self, places: Sequence[int]) -> list[MaskPart]:
        return [self._enlarger.enlarge(self._masks[place]) for place in places]
