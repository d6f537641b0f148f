"""Mask → one outline of few points, holes and parts joined by bridges: what YOLO's segmentation labels hold.

An outline runs along the outermost pixels of the mask, not along their outer edges: readers of YOLO labels convert
coordinates to whole pixels and fill the polygon with its border included (`cv2.fillPoly`). So each point lies a quarter
of a pixel from the upper left corner of its pixel: rounding down (Ultralytics) and rounding to the nearest integer
(supervision) both yield that pixel. A bridge is traversed in both directions; it covers a line one pixel wide.

Worked example: the first and the last pixel of a 3x1 image are the points (0.25, 0.25) and (2.25, 0.25). The bridge
between them covers the pixel in the middle, so the outline is that of three pixels, and the IoU with the mask 2/3. A
mask one pixel high has the outline of the rectangle (0.05, 0.05) (2.45, 0.45), whose box is not empty.

Source: cv2.findContours (Suzuki and Abe 1985) and cv2.approxPolyDP (Douglas and Peucker 1973).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.geometry.polygons import join_rings
from backend.values import Mask, Size

Points = NDArray[np.float64]  # (N, 2) XY
Contour = NDArray[Any]  # int32 (N, 1, 2) XY of pixels, as OpenCV has it

INSIDE = 0.25  # of a pixel, between its upper left corner and a point
NEAR, FAR = 0.05, 0.45  # the same for the two sides of a rectangle that is one pixel wide; both round to the pixel
MIN_TOLERANCE, FINER = 0.5, 1.25  # the tolerance of outlines with too many points grows from there by this factor
POINTS_PER_RING = 6  # at least so many of the points that are allowed, for each ring that is kept


def mask_to_bridged_outline(mask: Mask, max_points: int, tolerance: float = 0.0) -> Points:
    """Convert a mask into one closed outline.

    Without a tolerance, and if the exact contours have few enough points, `bridged_outline_to_mask` restores the mask,
    plus the bridges. Otherwise the contours are simplified until they fit. The smallest of more than `max_points / 6`
    parts and holes are left out.

    Args:
        mask: bool (H, W).
        max_points: At least 12.
        tolerance: Distance in pixels within which points are removed in any case.

    Returns:
        float (N, 2) XY in pixels, 3 <= N <= `max_points`; N is 0 for an empty mask.
    """
    box = mask_to_box(mask)
    if box is None:
        return np.zeros((0, 2))
    left, top, right, bottom = box
    if min(right - left, bottom - top) == 1:
        x = (left + NEAR, right - 1 + FAR)
        y = (top + NEAR, bottom - 1 + FAR)
        return np.array([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])])
    contours = _find_contours(mask[top:bottom, left:right], max_points // POINTS_PER_RING)
    rings: list[Points] = [ring.reshape(-1, 2).astype(float) for ring in _simplify(contours, max_points, tolerance)]
    outline = join_rings(rings)
    missing = np.repeat(outline[:1], max(3 - len(outline), 0), axis=0)  # two pixels that touch at a corner
    origin = np.array([left + INSIDE, top + INSIDE])
    return np.concatenate([outline, missing]) + origin


def bridged_outline_to_mask(outline: Points, size: Size) -> Mask:
    """Rasterise an outline as readers of YOLO labels do: in whole pixels, with its border.

    Args:
        outline: float (N, 2) XY in pixels; points outside the image are allowed.

    Returns:
        bool (H, W).
    """
    mask = np.zeros((size.height, size.width), np.uint8)
    if len(outline):
        cv2.fillPoly(mask, [np.floor(outline).astype(np.int32)], (1,))
    return mask.astype(bool)


def bridged_outline_iou(outline: Points, mask: Mask) -> float:
    """Return the IoU of a mask that is not empty with what `bridged_outline_to_mask` makes of its outline."""
    left, top, right, bottom = mask_to_box(mask) or (0, 0, 0, 0)
    original = mask[top:bottom, left:right]
    restored = bridged_outline_to_mask(outline - (left, top), Size(right - left, bottom - top))
    return float((original & restored).sum() / (original | restored).sum())


def _find_contours(mask: Mask, max_rings: int) -> list[Contour]:
    """Return the outer contours and those of the holes, only the largest if there are too many."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) <= max_rings:
        return list(contours)
    areas = np.array([cv2.contourArea(contour) for contour in contours])  # a hole's is at most that of its part
    return [contours[ring] for ring in sorted(np.argsort(-areas, kind="stable")[:max_rings].tolist())]


def _simplify(contours: list[Contour], max_points: int, tolerance: float) -> list[Contour]:
    """Simplify contours until they have at most `max_points` together with the two points of each bridge."""
    allowed = max_points - 2 * (len(contours) - 1)
    simple = [cv2.approxPolyDP(contour, tolerance, closed=True) for contour in contours] if tolerance else contours
    while sum(map(len, simple)) > allowed:
        tolerance = max(tolerance * FINER, MIN_TOLERANCE)
        simple = [cv2.approxPolyDP(contour, tolerance, closed=True) for contour in contours]
    return simple
