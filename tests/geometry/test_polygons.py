"""The border of a mask as one ring: exact at tolerance 0, never further off than the tolerance."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from backend.geometry import mask_iou, mask_to_polygon, mask_to_rings, polygon_to_mask
from backend.geometry.polygons import Ring, signed_area, simplify_ring
from backend.values import Mask, Size

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=16))
tolerances = st.sampled_from([0.0, 0.5, 1.0, 2.5])


def size_of(mask: Mask) -> Size:
    return Size(mask.shape[1], mask.shape[0])


def blob(seed: int, shape: tuple[int, int] = (120, 160)) -> Mask:
    """Some ellipses, some of them cut out: smooth borders, parts and holes as SAM's masks have them."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros(shape, np.uint8)
    for number in range(int(rng.integers(1, 6))):
        center = int(rng.integers(0, shape[1])), int(rng.integers(0, shape[0]))
        radii = int(rng.integers(6, 45)), int(rng.integers(6, 45))
        cv2.ellipse(canvas, center, radii, float(rng.integers(180)), 0, 360, int(number % 3 != 2), -1)
    return canvas > 0


def test_two_corner_pixels_are_two_squares_and_a_bridge() -> None:
    ring = mask_to_polygon(np.array([[True, False, True]]), 0)
    assert {tuple(map(float, point)) for point in ring} == set(itertools.product([0.0, 1.0, 2.0, 3.0], [0.0, 1.0]))
    assert len(ring) == 4 + 4 + 2  # each end of the bridge comes twice
    assert signed_area(ring) == 2


def test_pixels_that_touch_at_a_corner_are_one_ring_and_a_hole_between_them_two() -> None:
    diagonal = np.eye(4, dtype=bool)
    assert len(mask_to_rings(diagonal)) == 1
    around = ~np.pad(np.eye(2, dtype=bool), 1)
    assert [signed_area(ring) for ring in mask_to_rings(around)] == [16, -1, -1]


def test_a_border_runs_clockwise_and_a_hole_the_other_way() -> None:
    mask = np.ones((5, 6), bool)
    mask[2, 2:4] = False
    outer, hole = mask_to_rings(mask)
    assert outer.tolist() == [[0, 0], [6, 0], [6, 5], [0, 5]]
    assert signed_area(outer) == 30 and signed_area(hole) == -2


@pytest.mark.parametrize(
    "mask",
    [np.ones((1, 1), bool), np.ones((1, 9), bool), np.ones((9, 1), bool), np.ones((7, 5), bool)],
    ids=["one pixel", "a line across", "a line down", "the whole image"],
)
@pytest.mark.parametrize("tolerance", [0, 1, 10])
def test_a_box_has_four_corners_at_any_tolerance(mask: Mask, tolerance: float) -> None:
    ring = mask_to_polygon(mask, tolerance)
    height, width = mask.shape
    assert sorted(ring.tolist()) == sorted([[0, 0], [width, 0], [width, height], [0, height]])


def test_an_empty_mask_has_no_points() -> None:
    assert mask_to_polygon(np.zeros((3, 4), bool), 1).shape == (0, 2)


@settings(deadline=None)
@given(masks)
def test_without_tolerance_every_pixel_comes_back(mask: Mask) -> None:
    assert np.array_equal(polygon_to_mask(mask_to_polygon(mask, 0), size_of(mask)), mask)


@settings(deadline=None)
@given(masks, tolerances)
def test_a_border_point_is_never_further_off_than_the_tolerance(mask: Mask, tolerance: float) -> None:
    for ring in mask_to_rings(mask):
        simple = simplify_ring(ring, tolerance)
        assert {tuple(point) for point in simple} <= {tuple(point) for point in ring}
        assert distance_to_ring(along(ring), simple).max() <= tolerance + 1e-9


@settings(deadline=None)
@given(masks, tolerances)
def test_only_pixels_near_the_border_change(mask: Mask, tolerance: float) -> None:
    """Where the middle of a pixel changes sides, a border point passed it on its way of at most the tolerance."""
    again = polygon_to_mask(mask_to_polygon(mask, tolerance), size_of(mask))
    rows, columns = np.nonzero(again ^ mask)
    border = np.concatenate([along(ring) for ring in mask_to_rings(mask)]) if mask.any() else np.zeros((0, 2))
    for row, column in zip(rows, columns, strict=True):
        assert np.hypot(*(border - (column + 0.5, row + 0.5)).T).min() <= tolerance + 0.25  # steps of a quarter pixel


def test_smooth_masks_come_back_with_few_points() -> None:
    """On fixed masks: what a tolerance may cost a mask depends on how thin it is, so there is no bound for all."""
    masks = [mask for mask in map(blob, range(80)) if mask.sum() >= 400]
    rings = [mask_to_polygon(mask, 1.0) for mask in masks]
    ious = [mask_iou(polygon_to_mask(ring, size_of(mask)), mask) for ring, mask in zip(rings, masks, strict=True)]
    assert len(masks) >= 40
    assert (np.mean(ious) >= 0.95, min(ious) >= 0.85) == (True, True), (np.mean(ious), min(ious))
    assert all(len(ring) < len(mask_to_polygon(mask, 0)) / 2 for ring, mask in zip(rings, masks, strict=True))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0]))
def test_pycocotools_draws_the_ring_with_its_holes_and_parts(seed: int, tolerance: float) -> None:
    """It rounds slanting borders to a fifth of a pixel, so pixels whose middle the ring passes closely may differ."""
    mask = blob(seed)
    ring = mask_to_polygon(mask, tolerance)
    if not len(ring):
        return
    height, width = mask.shape
    theirs = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([ring.ravel().tolist()], height, width))) > 0
    ours = polygon_to_mask(ring, size_of(mask))
    if tolerance == 0:
        assert np.array_equal(theirs, mask)
    rows, columns = np.nonzero(theirs ^ ours)
    assert not len(rows) or distance_to_ring(np.stack([columns, rows], axis=1) + 0.5, ring).max() < 0.5


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_the_ring_winds_once_around_every_pixel_of_the_mask(seed: int) -> None:
    """The browser fills by the non-zero rule, so holes must be wound the other way round."""
    mask = blob(seed)
    ring = mask_to_polygon(mask, 0)
    assert np.array_equal(winding_numbers(ring, size_of(mask)), mask.astype(int))


def winding_numbers(ring: Ring, size: Size) -> np.ndarray:
    """How often the ring runs around each pixel: crossings to the left of its middle, downward less upward."""
    winding = np.zeros((size.height, size.width + 1), int)
    for (x, y), (x_end, y_end) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        for row in range(int(min(y, y_end)), int(max(y, y_end))):
            crossing = x + (row + 0.5 - y) * (x_end - x) / (y_end - y)
            winding[row, int(np.ceil(crossing - 0.5))] += 1 if y_end < y else -1
    return winding.cumsum(axis=1)[:, :-1]


def along(ring: Ring) -> Ring:
    """Points on the ring, a quarter of a pixel apart."""
    steps = np.arange(0, 1, 1 / 64)[:, None]
    following = np.roll(ring, -1, axis=0)
    pieces = [
        start + (end - start) * steps[:: max(1, 16 // int(np.abs(end - start).max()))]
        for start, end in zip(ring, following, strict=True)
    ]
    return np.concatenate(pieces)


def distance_to_ring(points: Ring, ring: Ring) -> np.ndarray:
    """To the nearest of all segments."""
    best = np.full(len(points), np.inf)
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        direction = end - start
        if not direction.any():  # a bridge of no length
            continue
        share = np.clip((points - start) @ direction / (direction @ direction), 0, 1)
        best = np.minimum(best, np.hypot(*(points - start - share[:, None] * direction).T))
    return best
