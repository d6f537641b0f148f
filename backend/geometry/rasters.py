"""Shapes → masks: a pixel belongs to a shape if its centre lies in it (even-odd rule for polygons).

Worked example: the triangle (0, 0), (4, 0), (0, 4) on 4x4 pixels. The centre of pixel (c, r) lies in it if
c + r + 1 < 4, so its rows have 3, 2, 1 and 0 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import Ellipse
from backend.values import Mask, Size

MIN_CROSSINGS_AT_ONCE = 1_000_000  # of edges with the centres of rows; 50 MB
Points = NDArray[np.float64]  # (N, 2) XY


def polygon_to_mask(points: Points, size: Size) -> Mask:
    """Rasterise a closed polygon by the even-odd rule; parts outside the image are cut off.

    A bridge that is traversed in both directions covers nothing, so one ring can describe holes and several parts. A
    centre on the border belongs to the shape to the right of it or below it, so adjacent shapes share no pixel.

    Args:
        points: float (N, 2) XY, finite; the last point is connected to the first.

    Returns:
        bool (H, W).
    """
    mask = np.zeros((size.height, size.width), bool)
    if not len(points):
        return mask
    left, right = _span(points[:, 0], size.width)
    top, bottom = _span(points[:, 1], size.height)
    if left < right and top < bottom:
        mask[top:bottom, left:right] = _fill(points - (left, top), right - left, bottom - top)
    return mask


def covers(rings: Sequence[Points], pixels: Points) -> NDArray[np.bool_]:
    """Return which pixels `polygon_to_mask` gives to rings that are filled together by the even-odd rule.

    Args:
        pixels: (M, 2) XY of their centres.

    Returns:
        bool (M,).
    """
    if not len(pixels):
        return np.zeros(0, bool)
    starts = np.concatenate(list(rings))
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    upward = starts[:, 1] > ends[:, 1]
    x0, y0 = np.where(upward[:, None], ends, starts).T
    x1, y1 = np.where(upward[:, None], starts, ends).T
    x, y = pixels[:, :1], pixels[:, 1:]
    crosses = (y0 <= y) & (y < y1)
    is_left = x0 + (y - y0) * ((x1 - x0) / np.where(y1 > y0, y1 - y0, 1.0)) <= x
    inside: NDArray[np.bool_] = (crosses & is_left).sum(axis=1) % 2 == 1
    return inside


def rectangle_to_mask(left: float, top: float, width: float, height: float, degrees: float, size: Size) -> Mask:
    """Rasterise a rectangle that is rotated clockwise about its top left corner, as Label Studio does.

    Returns:
        bool (H, W).
    """
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    return polygon_to_mask(corners @ _rotation(degrees).T + (left, top), size)


def ellipse_to_mask(ellipse: Ellipse, size: Size) -> Mask:
    """Rasterise an ellipse.

    Returns:
        bool (H, W).
    """
    (x, y), (across, down) = ellipse.center, ellipse.radii
    reach = max(across, down)
    left, right = _span(np.array([x - reach, x + reach]), size.width)
    top, bottom = _span(np.array([y - reach, y + reach]), size.height)
    mask = np.zeros((size.height, size.width), bool)
    columns, rows = np.arange(left, right) + 0.5 - x, (np.arange(top, bottom) + 0.5 - y)[:, None]
    cosine, sine = math.cos(math.radians(ellipse.degrees)), math.sin(math.radians(ellipse.degrees))
    along, beside = (columns * cosine + rows * sine) / across, (rows * cosine - columns * sine) / down
    mask[top:bottom, left:right] = along**2 + beside**2 <= 1
    return mask


def _rotation(degrees: float) -> Points:
    """Return a rotation matrix; clockwise on the screen, where y points down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([(cosine, -sine), (sine, cosine)])


def _span(values: Points, extent: int) -> tuple[int, int]:
    """Return the range of pixels that values can reach within the image: the first, and one after the last."""
    first = math.floor(min(max(float(values.min()), 0.0), extent))
    return first, math.ceil(min(max(float(values.max()), 0.0), extent))


def _fill(points: Points, width: int, height: int) -> Mask:
    """Fill a polygon: in every row whose centre an edge crosses, the edge flips the pixels to its right."""
    start, end = points, np.roll(points, -1, axis=0)
    upward = start[:, 1] > end[:, 1]  # every edge is taken downward, so the two directions of a bridge cancel exactly
    x0, y0 = np.where(upward[:, None], end, start).T
    x1, y1 = np.where(upward[:, None], start, end).T
    first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    count = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64) - first
    flips = np.zeros(height * (width + 1), np.uint8)
    for edges in _split_edges(count, max(flips.size, MIN_CROSSINGS_AT_ONCE)):
        rows = count[edges]
        edge = np.repeat(np.arange(edges.start, edges.stop), rows)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(rows) - rows, rows) + first[edge]
        x = x0[edge] + (row + 0.5 - y0[edge]) * ((x1 - x0)[edge] / (y1 - y0)[edge])
        column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
        flips ^= (np.bincount(row * (width + 1) + column, minlength=flips.size) & 1).astype(np.uint8)
    filled: Mask = np.bitwise_xor.accumulate(flips.reshape(height, width + 1), axis=1)[:, :width] > 0
    return filled


def _split_edges(crossings: NDArray[np.int64], max_crossings: int) -> Iterator[slice]:
    """Yield ranges of edges that cross about `max_crossings` rows together, which bounds the memory of a step."""
    ends = np.cumsum(crossings)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + max_crossings, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
