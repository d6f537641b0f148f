"""Distances and inner points, worked out by hand on small masks."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.geometry import distance_to_box, distance_to_mask, inner_point, mask_iou, signed_distance
from backend.geometry.places import GRID_STEPS
from backend.values import Mask


def block(top: int, left: int, bottom: int, right: int, shape: tuple[int, int] = (30, 40)) -> Mask:
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize(
    ("point", "pixels"),
    [
        ((10.9, 10.2), 0),
        ((7, 12), 3),
        ((22, 12), 3),  # the last column is 19
        ((7, 6), 5),  # 3 across, 4 down
        ((4, 12), math.inf),  # 6 is beyond the limit of 5
        ((0, 0), math.inf),
        ((40, 30), math.inf),  # the lower right corner belongs to the last pixel
    ],
)
def test_the_distance_to_a_mask_is_measured_from_pixel_to_pixel(point: tuple[float, float], pixels: float) -> None:
    assert distance_to_mask(block(10, 10, 20, 20), point, 5) == pixels


def test_an_empty_mask_is_infinitely_far() -> None:
    assert distance_to_mask(np.zeros((4, 4), bool), (1, 1), 100) == math.inf


def test_the_inner_point_of_a_square_is_its_middle() -> None:
    assert inner_point(block(10, 10, 21, 21)) == (15.5, 15.5)


def test_the_inner_point_of_two_parts_lies_in_the_larger() -> None:
    x, y = inner_point(block(2, 2, 5, 5) | block(10, 20, 25, 38))
    assert 20 <= x <= 38 and 10 <= y <= 25


def test_the_inner_point_keeps_away_from_points() -> None:
    bar = block(10, 0, 21, 40)
    x, y = inner_point(bar, [(20, 15)])
    assert math.dist((x, y), (20, 15)) >= 10 and 12 <= y <= 18


def test_a_line_thinner_than_the_grid_has_an_inner_point() -> None:
    diagonal = np.eye(1000, dtype=bool)
    diagonal[::16, ::16] = False
    x, y = inner_point(diagonal)
    assert diagonal[int(y), int(x)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
@example(239)  # a thin ellipse whose deepest pixels lie between the points of the grid
def test_the_inner_point_lies_in_the_mask_about_as_deep_as_any(seed: int) -> None:
    """OpenCV's exact distance transform is the judge; the octagonal metric and half a grid step each way cost depth."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((200, 300), np.uint8)
    cv2.ellipse(
        mask, (150, 100), (int(rng.integers(5, 120)), int(rng.integers(5, 80))), int(rng.integers(180)), 0, 360, 1, -1
    )
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    x, y = inner_point(mask.astype(bool))
    assert mask[int(y), int(x)]
    step = math.ceil(max(np.ptp(axis) + 1 for axis in np.nonzero(mask)) / GRID_STEPS)
    assert depth[int(y), int(x)] >= 0.7 * depth.max() - max(step / math.sqrt(2), 1)


def test_iou_is_the_shared_part_of_both() -> None:
    assert mask_iou(block(0, 0, 10, 10), block(0, 5, 10, 15)) == 50 / 150
    assert mask_iou(block(0, 0, 0, 0), block(0, 0, 0, 0)) == 1


@pytest.mark.parametrize(("place", "pixels"), [((5, 5), 0), ((13, 14), 5), ((-2, 5), 2), ((5, -7), 7)])
def test_the_distance_to_a_box_is_zero_inside(place: tuple[float, float], pixels: float) -> None:
    assert distance_to_box(place, (0, 0, 10, 10)) == pixels


def test_the_signed_distance_is_measured_from_the_border_between_the_pixels() -> None:
    mask = block(1, 2, 4, 5, (5, 7))  # 3 x 3
    distance = signed_distance(mask)
    assert distance.dtype == np.float32
    assert distance[2].tolist() == [-1.5, -0.5, 0.5, 1.5, 0.5, -0.5, -1.5]
    assert distance[0, 1] == pytest.approx(0.5 - math.sqrt(2))  # the corner pixel's centre is one across and one down
    assert np.array_equal(signed_distance(~mask), -distance)


def test_without_a_border_every_pixel_is_infinitely_far_from_it() -> None:
    assert (signed_distance(np.ones((3, 4), bool)) == np.inf).all()
    assert (signed_distance(np.zeros((3, 4), bool)) == -np.inf).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_signed_distance_is_positive_exactly_on_the_mask(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 11)) < 0.4
    assert np.array_equal(signed_distance(mask) > 0, mask)
