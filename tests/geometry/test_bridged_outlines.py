"""One outline per mask: exact but for its bridges where the points suffice, by hand and by supervision's rasteriser."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from supervision import polygon_to_mask as fill_by_supervision

from backend.geometry import bridged_outline_iou, bridged_outline_to_mask, mask_iou, mask_to_bridged_outline
from backend.values import Mask, Size

masks = npst.arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24))).filter(lambda mask: bool(mask.any()))


def size_of(mask: Mask) -> Size:
    return Size(mask.shape[1], mask.shape[0])


def fill(outline: np.ndarray, mask: Mask, *, rounded: bool) -> Mask:
    points = np.rint(outline) if rounded else np.floor(outline)
    return fill_by_supervision(points.astype(int), (mask.shape[1], mask.shape[0])).astype(bool)


def count_bridge_pixels(outline: np.ndarray) -> int:
    """Pixels between the ends of each edge that is traversed in both directions."""
    pixels = np.floor(outline).astype(int).tolist()
    edges = {(tuple(a), tuple(b)) for a, b in zip(pixels, pixels[1:] + pixels[:1], strict=True)}
    lengths = [max(abs(a[0] - b[0]), abs(a[1] - b[1])) for a, b in edges if (b, a) in edges and a < b]
    return sum(max(length - 1, 0) for length in lengths)


def blobs(seed: int, width: int, height: int, blur: float, threshold: float) -> Mask:
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.asarray(smooth > threshold * smooth.std())


@settings(max_examples=200, deadline=None)
@given(masks)
def test_no_pixel_is_lost_and_none_but_bridges_are_added(mask: Mask) -> None:
    outline = mask_to_bridged_outline(mask, 5000)
    for rounded in (False, True):
        restored = fill(outline, mask, rounded=rounded)
        assert not (mask & ~restored).any()
        assert (restored & ~mask).sum() <= count_bridge_pixels(outline)
    assert bridged_outline_iou(outline, mask) == pytest.approx(mask_iou(mask, restored))


@settings(max_examples=200, deadline=None)
@given(masks)
def test_one_part_with_any_holes_comes_back_exactly(mask: Mask) -> None:
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    part = parts == parts[mask][0]
    outline = mask_to_bridged_outline(part, 5000)
    np.testing.assert_array_equal(fill(outline, part, rounded=False), part)
    np.testing.assert_array_equal(bridged_outline_to_mask(outline, size_of(part)), part)


@settings(max_examples=200, deadline=None)
@given(masks, st.integers(12, 60), st.sampled_from([0.0, 0.3, 1.0, 5.0]))
def test_an_outline_has_three_points_or_more_never_too_many_and_lies_in_the_mask_s_box(
    mask: Mask, max_points: int, tolerance: float
) -> None:
    outline = mask_to_bridged_outline(mask, max_points, tolerance)
    assert 3 <= len(outline) <= max_points
    rows, columns = np.nonzero(mask)
    assert (outline > (columns.min(), rows.min())).all()
    assert (outline < (columns.max() + 0.5, rows.max() + 0.5)).all()
    assert 0 < bridged_outline_iou(outline, mask) <= 1


def test_two_pixels_and_the_bridge_between_them_by_hand() -> None:
    mask = np.array([[True, False, True], [False, False, False]])
    outline = mask_to_bridged_outline(mask, 999)
    assert outline.tolist() == [[0.05, 0.05], [2.45, 0.05], [2.45, 0.45], [0.05, 0.45]]
    assert bridged_outline_to_mask(outline, Size(3, 2)).tolist() == [[True] * 3, [False] * 3]
    assert bridged_outline_iou(outline, mask) == pytest.approx(2 / 3)


def test_a_square_with_a_hole_of_one_pixel_by_hand() -> None:
    """The hole's contour runs over its four neighbours; its bridge leads to a corner of the square."""
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    outline = mask_to_bridged_outline(mask, 999)
    assert len(outline) == 4 + 4 + 2
    corners = {(0.25, 0.25), (4.25, 0.25), (4.25, 4.25), (0.25, 4.25)}
    neighbours = {(2.25, 1.25), (1.25, 2.25), (3.25, 2.25), (2.25, 3.25)}
    assert set(map(tuple, outline.tolist())) == corners | neighbours
    np.testing.assert_array_equal(bridged_outline_to_mask(outline, Size(5, 5)), mask)


@pytest.mark.parametrize("pixels", [[(3, 2)], [(3, 2), (4, 3)], [(3, 2), (2, 3)]])
def test_masks_of_one_pixel_and_of_two_that_touch_have_an_outline(pixels: list[tuple[int, int]]) -> None:
    mask = np.zeros((5, 6), bool)
    for x, y in pixels:
        mask[y, x] = True
    outline = mask_to_bridged_outline(mask, 999)
    assert len(outline) >= 3
    assert (np.ptp(outline, axis=0) > 0).all()  # so a box that is derived from it has an area
    np.testing.assert_array_equal(fill(outline, mask, rounded=True), mask)


def test_an_empty_mask_has_no_outline() -> None:
    outline = mask_to_bridged_outline(np.zeros((4, 4), bool), 999)
    assert outline.shape == (0, 2)
    assert not bridged_outline_to_mask(outline, Size(4, 4)).any()


@pytest.mark.parametrize(
    ("mask", "min_iou"),
    [
        (blobs(1, 1920, 1080, 60, 1.2), 0.97),  # 10 parts or so, over 2000 points
        (blobs(2, 640, 480, 20, 1.0), 0.97),
        (blobs(3, 640, 480, 3, -1.5), 0.95),  # one part with about 100 holes
    ],
)
def test_a_mask_of_too_many_points_is_simplified_to_999_and_stays_close(mask: Mask, min_iou: float) -> None:
    outline = mask_to_bridged_outline(mask, 999)
    assert len(outline) <= 999
    assert mask_iou(mask, fill(outline, mask, rounded=False)) >= min_iou


def test_a_tolerance_makes_the_outline_shorter() -> None:
    ys, xs = np.mgrid[:100, :100]
    disc = (xs - 50) ** 2 + (ys - 50) ** 2 <= 40**2
    exact, short = mask_to_bridged_outline(disc, 999), mask_to_bridged_outline(disc, 999, tolerance=1.0)
    assert bridged_outline_iou(exact, disc) == 1.0
    assert len(short) < len(exact) / 2
    assert bridged_outline_iou(short, disc) > 0.95


def test_of_too_many_parts_the_smallest_are_left_out() -> None:
    """Of 12 points each ring gets six, so two squares are kept of three."""
    mask = np.zeros((8, 30), bool)
    mask[1:7, 1:7] = mask[2:6, 10:14] = mask[3:5, 20:22] = True
    restored = bridged_outline_to_mask(mask_to_bridged_outline(mask, 12), Size(30, 8))
    assert restored[mask].sum() == 36 + 16
