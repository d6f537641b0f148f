"""Low-resolution logits that agree with the clicks of a person; numpy and OpenCV only.

SAM often answers a second click as if it had not been made, and changes the mask elsewhere instead. Two steps mend it:

1. SAM's new logits are added to those before the click, which are clipped first. So SAM changes the mask only where it
   is sure of it, and what it changes with little confidence stays as it was.
2. Around a click that the sum does not obey, the logits move towards SAM's new ones, shifted so that the click holds.
   The weight of that is a bell curve around the click. Its width grows with the click's distance from the mask's
   border: a click far from the border tells of a large wrong part. A shift moves the border where SAM is unsure and
   leaves it where SAM is sure, so the change follows the object's outline rather than a circle.

The numbers were chosen on tuning scenes of the demo world with `scripts.demo_world.evaluate_corrections`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.click_pixels import Click

Logits = NDArray[np.float32]  # (M, M); positive inside the mask
MARGIN = 0.2  # logit that a click gets at least
WIDTH_PER_DEPTH = 0.9  # of the bell curve (its standard deviation), by the click's distance from the border, in cells
MIN_DEPTH = 0.7  # cells; a click's distance from the border cannot be told any better
MORE_WIDTH = 0.35  # cells
UNKNOWN_DEPTH = 8.0  # cells, of a click in a mask that has no border
MAX_CHANGE = 0.4  # of the mask's area, by one click
NARROWER = 0.75  # the curve that follows one that changes too much
MAX_NARROWED = 8
PASSES = 3  # over all clicks, because a click can undo what another one needs


def follow_clicks(
    new: Logits, before: Logits, clicks: Sequence[Click], cells_per_pixel: tuple[float, float], inertia: float
) -> Logits:
    """Return SAM's new logits, changed so that they agree with the clicks and with those before where SAM is unsure.

    A click may still be disobeyed where others of the other kind are closer than a cell: `hold_clicks` sees to that.

    Args:
        new: float32 (M, M), SAM's answer to all clicks.
        before: float32 (M, M), the answer to all clicks but the last.
        clicks: In pixels of the original image, in their order.
        cells_per_pixel: Columns and rows of the logits for each pixel of the original image.
        inertia: Logit that SAM's new ones must exceed to change the mask; `before` is clipped to it.

    Returns:
        float32 (M, M), a new array.
    """
    logits = new + before.clip(-inertia, inertia)
    cells = [(x * cells_per_pixel[0], y * cells_per_pixel[1], label) for x, y, label in clicks]
    max_change = MAX_CHANGE * np.count_nonzero(logits > 0)
    for _ in range(PASSES):
        agrees = True
        for cell in cells:
            if _logit_at(logits, cell) * _sign(cell) < MARGIN:
                agrees = False
                logits = _pull(logits, new, cell, _max_width(cell, cells), max_change)
        if agrees:
            break
    return logits


def _pull(logits: Logits, new: Logits, cell: Click, max_width: float, max_change: float) -> Logits:
    """Move the logits around a click towards SAM's new ones and the click's side of the border, never away from it."""
    sign = _sign(cell)
    shift = sign * max(MARGIN - _logit_at(new, cell) * sign, 0.0)
    width = min(WIDTH_PER_DEPTH * _depth(logits, cell) + MORE_WIDTH, max_width)
    for _ in range(MAX_NARROWED):
        window, weight = _bell_curve(logits.shape, cell, width)
        old = logits[window]
        pulled = old + weight * (new[window] + shift - old)
        pulled = np.maximum(pulled, old) if sign > 0 else np.minimum(pulled, old)
        if np.count_nonzero((pulled > 0) != (old > 0)) <= max(max_change, 1):
            break
        width *= NARROWER
    moved = logits.copy()
    moved[window] = pulled
    return moved


def _bell_curve(shape: tuple[int, ...], cell: Click, width: float) -> tuple[tuple[slice, slice], Logits]:
    """Return a window of cells around a click, and the curve within it; it is 1 at the click."""
    x, y, _ = cell
    reach = math.ceil(4 * width)
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    window = np.s_[top : int(y) + reach + 1, left : int(x) + reach + 1]
    rows, columns = (np.arange(*part.indices(extent)) + 0.5 for part, extent in zip(window, shape, strict=True))
    across, down = (np.exp((places - at) ** 2 / (-2 * width**2)) for places, at in ((columns, x), (rows, y)))
    return window, np.outer(down, across).astype(np.float32)


def _depth(logits: Logits, cell: Click) -> float:
    """Return the distance in cells from a disobeyed click to the nearest cell on its side of the border."""
    wrong = (logits > 0) != (_sign(cell) > 0)
    if wrong.all():
        return UNKNOWN_DEPTH
    distance = cv2.distanceTransform(wrong.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    row, column = min(int(cell[1]), wrong.shape[0] - 1), min(int(cell[0]), wrong.shape[1] - 1)
    return max(float(distance[row, column]), MIN_DEPTH)


def _max_width(cell: Click, cells: Sequence[Click]) -> float:
    """Return half the distance to the nearest click of the other kind, so that two neighbours both hold."""
    others = [math.dist(cell[:2], other[:2]) / 2 for other in cells if other[2] != cell[2]]
    return max(min(others, default=math.inf), MIN_DEPTH)


def _logit_at(logits: Logits, cell: Click) -> float:
    """Interpolate between the four cells around a click."""
    height, width = logits.shape
    x, y = min(max(cell[0] - 0.5, 0.0), width - 1.0), min(max(cell[1] - 0.5, 0.0), height - 1.0)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    upper = logits[top, left] * (left + 1 - x) + logits[top, right] * (x - left)
    lower = logits[bottom, left] * (left + 1 - x) + logits[bottom, right] * (x - left)
    return float(upper * (top + 1 - y) + lower * (y - top))


def _sign(click: Click) -> int:
    return 1 if click[2] else -1
