"""Strokes of a brush and of an eraser, drawn on a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.values import Mask

_SHIFT = 4  # OpenCV takes sixteenths of a pixel


@dataclass(frozen=True)
class Stroke:
    """A line with round ends.

    Attributes:
        points: float (N, 2), XY in pixels; at least one.
        width: In pixels.
        adds: Whether it adds to the mask; an eraser's takes away.
    """

    points: NDArray[np.float64]
    width: float
    adds: bool

    @property
    def swept_area(self) -> float:
        """Approximate number of pixels that drawing it visits, each as often as the line passes."""
        steps = np.hypot(*np.diff(self.points, axis=0).T)
        return float((steps + self.width).sum() + self.width) * max(self.width, 1.0)


def draw_strokes(mask: Mask, strokes: Sequence[Stroke]) -> tuple[Mask, Mask]:
    """Draw strokes on a mask, one after the other.

    Returns:
        Two bool (H, W): the new mask, and the pixels that a stroke passed over, whether it changed them or not.
    """
    drawn, passed = np.ascontiguousarray(mask).astype(np.uint8), np.zeros(mask.shape, np.uint8)
    for stroke in strokes:
        at = np.round((stroke.points - 0.5) * (1 << _SHIFT)).astype(np.int32)  # OpenCV's pixels have whole centres
        at = at if len(at) > 1 else at.repeat(2, axis=0)  # OpenCV draws no line of one point
        line, width = [at.reshape(-1, 1, 2)], max(round(stroke.width), 1)
        for canvas, colour in ((drawn, int(stroke.adds)), (passed, 1)):
            cv2.polylines(canvas, line, False, colour, width, cv2.LINE_8, _SHIFT)
    return drawn > 0, passed > 0
