"""Clicks and the pixels of a mask: which pixel a click means, which clicks count, and a mask that agrees with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from backend.values import Mask

Click = tuple[float, float, int]  # XY in pixels, and its label: 1 (foreground) or 0 (background)
OVERRULED_WITHIN = 2.0  # pixels


def pixel_of(point: tuple[float, ...], shape: tuple[int, ...]) -> tuple[int, int]:
    """Return column and row of the pixel that a point lies in; the image's far edges belong to the last ones.

    Args:
        point: XY, and whatever else.
        shape: Height and width.
    """
    return min(int(point[0]), shape[1] - 1), min(int(point[1]), shape[0] - 1)


def clicks_that_count(clicks: Sequence[Click]) -> list[Click]:
    """Return the clicks without those that a later one of the other kind overrules, at most two pixels away."""
    counting: list[Click] = []
    for click in reversed(clicks):
        overruled = (later[2] != click[2] and math.dist(later[:2], click[:2]) <= OVERRULED_WITHIN for later in counting)
        if not any(overruled):
            counting.append(click)
    return counting[::-1]


def hold_clicks(mask: Mask, clicks: Sequence[Click], radius: float) -> Mask:
    """Return a mask that contains each foreground click that counts and no background one.

    A small disc is drawn around a click that the mask does not agree with. It stays away from clicks of the other kind.

    Args:
        mask: bool (H, W).
        radius: Of the disc, in pixels.

    Returns:
        bool (H, W); `mask` itself if it agrees with all clicks.
    """
    pixels = [(pixel_of(click, mask.shape), bool(click[2])) for click in clicks_that_count(clicks)]
    held = mask
    for (x, y), inside in pixels:
        if held[y, x] == inside:
            continue
        if held is mask:
            held = mask.copy()
        others = (math.dist((x, y), other) / 2 for other, other_inside in pixels if other_inside != inside)
        _draw_disc(held, x, y, min([radius, *others]), inside)
    return held


def _draw_disc(mask: Mask, x: int, y: int, radius: float, inside: bool) -> None:
    reach = int(radius)
    left, top = max(x - reach, 0), max(y - reach, 0)
    window = mask[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.ogrid[top : top + window.shape[0], left : left + window.shape[1]]
    window[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = inside
