"""Percent and pixels; distances from boxes and masks, points deep inside a mask, and the IoU of two masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.values import Box, Mask

Point = tuple[float, float]
GRID_STEPS = 64  # over the longer side of a mask's box


def percent_to_pixel(percent: float, extent: int) -> float:
    """Convert percent of a width or height (Label Studio's unit) to pixels."""
    return percent / 100 * extent


def pixel_to_percent(pixel: float, extent: int) -> float:
    """Convert pixels to percent of a width or height."""
    return pixel / extent * 100


def distance_to_box(point: Point, box_xyxy: Box) -> float:
    """Return the distance from a point to a box in pixels; 0 inside."""
    left, top, right, bottom = box_xyxy
    across = max(left - point[0], point[0] - right, 0.0)
    down = max(top - point[1], point[1] - bottom, 0.0)
    return float((across**2 + down**2) ** 0.5)


def distance_to_mask(mask: Mask, point: Point, limit: float) -> float:
    """Return the distance from a point to a mask's nearest pixel: 0 on the mask, infinite beyond `limit`.

    Args:
        mask: bool (H, W).
        point: XY; it lies in the pixel (floor(x), floor(y)).
    """
    height, width = mask.shape
    x, y = min(int(point[0]), width - 1), min(int(point[1]), height - 1)
    if mask[y, x]:
        return 0.0
    reach = math.ceil(limit)
    left, top = max(x - reach, 0), max(y - reach, 0)
    rows, columns = np.nonzero(mask[top : y + reach + 1, left : x + reach + 1])
    if not len(rows):
        return math.inf
    nearest = float(np.hypot(columns + left - x, rows + top - y).min())
    return nearest if nearest <= limit else math.inf


def signed_distance(mask: Mask) -> NDArray[np.float32]:
    """Return the distance of each pixel's centre from the border of a mask: positive inside, negative outside.

    The border runs half a pixel beyond the centres of the mask's outermost pixels, so no distance is 0.

    Args:
        mask: bool (H, W). The image's edge is no border.

    Returns:
        float32 (H, W) in pixels; infinite where there is no border.
    """
    inside, outside = (_distance_to_false(side) for side in (mask, ~mask))
    return np.where(mask, inside - 0.5, 0.5 - outside)


def inner_point(mask: Mask, away_from: Sequence[Point] = ()) -> Point:
    """Return the centre of a pixel that lies deep inside a mask and away from the given points.

    Its depth counts fully only if the nearest point is at least twice as far away as the border. The search runs on a
    grid of at most 64 steps over the mask's box, so its cost does not grow with the image.

    Args:
        mask: bool (H, W) with at least one pixel.
        away_from: XY.

    Raises:
        ValueError: The mask is empty.
    """
    box = mask_to_box(mask)
    if box is None:
        raise ValueError("An empty mask has no inner point.")
    left, top, right, bottom = box
    inside = mask[top:bottom, left:right]
    step = math.ceil(max(inside.shape) / GRID_STEPS)
    grid = inside[::step, ::step]
    if not grid.any():  # the mask is thinner than a grid step
        ys, xs = np.nonzero(inside)
        return left + float(xs[len(xs) // 2]) + 0.5, top + float(ys[len(ys) // 2]) + 0.5
    depth = _depth(grid)
    ys, xs = np.indices(grid.shape) * step
    for x, y in away_from:
        depth = np.minimum(depth, np.hypot(xs + left - x, ys + top - y) / (2 * step))
    depth[~grid] = -1
    row, column = np.unravel_index(int(depth.argmax()), grid.shape)
    return left + float(column * step) + 0.5, top + float(row * step) + 0.5


def _distance_to_false(mask: Mask) -> NDArray[np.float32]:
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance.astype(np.float32, copy=False)


def _depth(grid: Mask) -> NDArray[np.float64]:
    """Return for each pixel the number of erosions it survives, with 4 and 8 neighbours in turn."""
    layer = np.pad(grid, 1)
    depth = np.zeros(layer.shape)
    corners = False
    while layer.any():
        depth += layer
        across = layer[:, :-2] & layer[:, 1:-1] & layer[:, 2:]
        inner = (
            across[:-2] & across[1:-1] & across[2:] if corners else across[1:-1] & layer[:-2, 1:-1] & layer[2:, 1:-1]
        )
        layer, corners = np.pad(inner, 1), not corners
    return depth[1:-1, 1:-1]


def mask_iou(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; 1 for two empty masks."""
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else 1.0
