"""Shapes drawn by hand, by OpenCV and by the formula; what a drawn ellipse's fit gives back."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from backend.geometry import (
    Ellipse,
    ellipse_to_mask,
    fit_ellipse,
    mask_iou,
    mask_to_box,
    polygon_to_mask,
    rasters,
    rectangle_to_mask,
)
from backend.values import Mask, Size

SIZE = Size(120, 90)
sides = st.integers(3, 30).map(lambda half: 2 * half + 0.4)  # no middle of a pixel on the border when upright
within = st.tuples(st.floats(2, 118), st.floats(2, 88))


def rows_of(mask: Mask) -> list[int]:
    return mask.sum(axis=1).tolist()


def test_a_triangle_covers_the_pixels_whose_middle_lies_in_it() -> None:
    triangle = np.array([(0, 0), (4, 0), (0, 4)], float)
    assert rows_of(polygon_to_mask(triangle, Size(4, 4))) == [3, 2, 1, 0]


def test_triangles_that_share_a_border_share_no_pixel() -> None:
    upper = polygon_to_mask(np.array([(0, 0), (4, 0), (0, 4)], float), Size(4, 4))
    lower = polygon_to_mask(np.array([(4, 0), (4, 4), (0, 4)], float), Size(4, 4))
    assert not (upper & lower).any() and (upper | lower).all()


def test_a_polygon_is_cut_off_at_the_image() -> None:
    assert polygon_to_mask(np.array([(-9, -9), (99, -9), (99, 99), (-9, 99)], float), Size(3, 2)).all()
    assert not polygon_to_mask(np.array([(5, 5), (9, 5), (9, 9)], float), Size(3, 2)).any()


def test_a_crossing_is_filled_by_the_even_odd_rule() -> None:
    twice_around = np.array([(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (4, 2), (4, 4), (2, 4), (2, 2)], float)
    assert rows_of(polygon_to_mask(twice_around, Size(6, 6))) == [6, 6, 4, 4, 6, 6]


@settings(deadline=None)
@given(st.lists(within, min_size=3, max_size=8))
def test_opencv_agrees_off_the_border(points: list[tuple[float, float]]) -> None:
    """OpenCV counts middles of pixels as whole numbers and paints the border too."""
    ring = np.array(points)
    canvas = np.zeros((SIZE.height, SIZE.width), np.uint8)
    shifted = np.round((ring - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [shifted[:, None]], 1, shift=4)
    border = np.zeros_like(canvas)
    cv2.polylines(border, [shifted[:, None]], isClosed=True, color=1, thickness=3, shift=4)
    differ = (canvas > 0) ^ polygon_to_mask(ring, SIZE)
    assert not (differ & ~(border > 0)).any()


@settings(deadline=None)
@given(st.integers(0, 119), st.integers(0, 89), st.integers(1, 150), st.integers(1, 150))
def test_an_upright_rectangle_is_the_box_of_its_mask_and_pycocotools(x: int, y: int, width: int, height: int) -> None:
    mask = rectangle_to_mask(x, y, width, height, 0, SIZE)
    assert mask_to_box(mask) == (x, y, min(x + width, 120), min(y + height, 90))
    (rle,) = coco_mask.frPyObjects(np.array([(x, y, width, height)], float), SIZE.height, SIZE.width)
    assert np.array_equal(coco_mask.decode(rle) > 0, mask)


def test_a_rectangle_turns_clockwise_about_its_left_upper_corner() -> None:
    """Three wide and one high, turned by a quarter: from the corner (5, 2) it now hangs down, to the left."""
    mask = rectangle_to_mask(5, 2, 3, 1, 90, Size(8, 8))
    assert np.argwhere(mask).tolist() == [[2, 4], [3, 4], [4, 4]]


@settings(deadline=None)
@given(st.floats(0, 360), sides, sides)
def test_a_turned_rectangle_has_the_corners_of_opencv(degrees: float, width: float, height: float) -> None:
    left, top = np.array([60, 45]) - turned((width / 2, height / 2), degrees)
    corners = cv2.boxPoints(((60, 45), (width, height), degrees)).astype(float)
    assert mask_iou(rectangle_to_mask(left, top, width, height, degrees, SIZE), polygon_to_mask(corners, SIZE)) > 0.97


def turned(point: tuple[float, float], degrees: float) -> np.ndarray:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine])


@pytest.mark.parametrize(("radii", "degrees"), [((40, 20), 0), ((40, 20), 30), ((15, 35), -40), ((30, 30), 0)])
def test_an_ellipse_is_drawn_as_opencv_draws_it(radii: tuple[int, int], degrees: float) -> None:
    canvas = np.zeros((SIZE.height, SIZE.width), np.uint8)
    cv2.ellipse(canvas, (60, 45), radii, degrees, 0, 360, 1, -1)
    assert mask_iou(ellipse_to_mask(Ellipse((60.5, 45.5), radii, degrees), SIZE), canvas > 0) > 0.96


@settings(deadline=None)
@given(st.floats(8, 40), st.floats(8, 40), st.floats(-39, 39), st.floats(45, 75), st.floats(42, 48))
def test_the_fit_of_an_ellipse_is_that_ellipse(across: float, down: float, degrees: float, x: float, y: float) -> None:
    """Up to 39 degrees: the fit is off by up to 6, and beyond 45 it names the axes the other way round."""
    drawn = Ellipse((x, y), (across, down), degrees)
    fit = fit_ellipse(ellipse_to_mask(drawn, Size(120, 90)))
    assert fit is not None
    assert fit.center == pytest.approx((x, y), abs=0.5)
    again = ellipse_to_mask(fit, Size(120, 90))
    assert mask_iou(again, ellipse_to_mask(drawn, Size(120, 90))) > 0.95
    assume(abs(across - down) > 3)
    assert fit.radii == pytest.approx((across, down), abs=0.5)
    assert abs(fit.degrees - degrees) < 6


@pytest.mark.parametrize(
    ("mask", "radii"),
    [
        (np.ones((1, 1), bool), (3**-0.5, 3**-0.5)),  # a square of side a has the variance a² / 12, radius a / √3
        (np.ones((1, 9), bool), (9 * 3**-0.5, 3**-0.5)),
        (np.ones((9, 1), bool), (3**-0.5, 9 * 3**-0.5)),
        (np.ones((6, 9), bool), (9 * 3**-0.5, 6 * 3**-0.5)),
    ],
    ids=["one pixel", "a line across", "a line down", "the whole image"],
)
def test_boxes_have_upright_ellipses(mask: Mask, radii: tuple[float, float]) -> None:
    fit = fit_ellipse(mask)
    assert fit is not None
    height, width = mask.shape
    assert fit.center == pytest.approx((width / 2, height / 2))
    assert fit.radii == pytest.approx(radii) and fit.degrees == 0
    assert ellipse_to_mask(fit, Size(width, height)).any()


def test_a_diagonal_line_has_an_ellipse_at_45_degrees() -> None:
    fit = fit_ellipse(np.eye(20, dtype=bool))
    assert (
        fit is not None
        and fit.degrees == pytest.approx(45)
        and fit.radii[0] == pytest.approx(2 * ((2 * 20**2 - 1) / 12) ** 0.5)
    )


def test_an_empty_mask_has_neither_box_nor_ellipse() -> None:
    assert mask_to_box(np.zeros((3, 3), bool)) is None and fit_ellipse(np.zeros((3, 3), bool)) is None


def test_a_polygon_whose_edges_are_drawn_in_several_steps_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(3).uniform(-5, 25, (300, 2))  # about 2,000 crossings on 20 x 20 pixels
    at_once = polygon_to_mask(points, Size(20, 20))
    monkeypatch.setattr(rasters, "MIN_CROSSINGS_AT_ONCE", 1)
    steps = list(rasters._split_edges(np.array([5, 0, 7, 9, 1]), 8))
    assert steps == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]  # an edge of more than 8 has its own step
    assert np.array_equal(polygon_to_mask(points, Size(20, 20)), at_once)
