"""Low-resolution logits to stable masks at original size: the second half of automatic masks, on the CPU or the device.

Both do what SamAutomaticMaskGenerator does after its decoder: resize, drop unstable masks, compare with the threshold,
find the boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from backend.models.sam.mask_enlarger import MaskEnlarger, MaskPart, PixelBox


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
    """Masks that OpenCV enlarges one by one, each only where it lies. Source of the order: `MaskFinishing`."""

    def __init__(self, enlarger: MaskEnlarger, min_stability: float) -> None:
        self._enlarger, self._min_stability = enlarger, min_stability
        self._parts: list[MaskPart] = []
        self._scores: list[float] = []

    def add(self, low_res_masks: Tensor, scores: Tensor) -> None:
        for logits, score in zip(low_res_masks.numpy(), scores.tolist(), strict=True):
            part = self._enlarger.enlarge(logits, self._min_stability)
            if part is not None:
                self._parts.append(part)
                self._scores.append(score)

    def found(self) -> tuple[list[PixelBox], list[float]]:
        return [part.box_xyxy for part in self._parts], self._scores

    def parts(self, places: Sequence[int]) -> list[MaskPart]:
        return [self._parts[place] for place in places]
