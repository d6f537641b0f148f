"""Outlines that a person can edit: few points, one piece, clicks on their side, an IoU of at least 0.95."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.geometry import OutlineOptions, mask_iou, mask_to_outline, mask_to_rings, polygon_to_mask
from backend.geometry.parts import choose_parts, find_parts
from backend.geometry.polygons import Ring
from backend.geometry.rasters import covers
from backend.geometry.vertex_removal import VertexRemoval, rings_meet
from backend.values import Mask, Size
from tests.geometry.test_polygons import blob, masks, size_of

FEW = OutlineOptions(max_points=12)


def disc(radius: float, center: tuple[float, float], size: Size) -> Mask:
    y, x = np.mgrid[: size.height, : size.width] + 0.5
    return np.hypot(x - center[0], y - center[1]) <= radius


def ragged(seed: int, size: Size = Size(200, 160)) -> Mask:
    """A mask with a border so uneven that twelve points cannot follow it everywhere."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((size.height, size.width)), (0, 0), 9)
    return noise > np.quantile(noise, 0.7)


def kept_mask(mask: Mask, clicks: list[tuple[float, float]]) -> Mask:
    """The largest part and the clicked ones, by OpenCV."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count == 1:
        return mask
    wanted = {1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())} | {int(parts[int(y), int(x)]) for x, y in clicks}
    return np.isin(parts, list(wanted - {0}))


def crosses_itself(ring: Ring) -> bool:
    """Whether two edges that do not follow each other have a common point, in exact arithmetic."""
    points = [(Fraction(x), Fraction(y)) for x, y in ring.tolist()]
    edges = list(zip(points, points[1:] + points[:1], strict=True))

    def turn(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def between(a, b, c):
        return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])

    for (first, (a, b)), (second, (c, d)) in itertools.combinations(enumerate(edges), 2):
        if second - first == 1 or (first, second) == (0, len(edges) - 1):
            continue
        sides = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)]
        if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
            return True
        on = ((a, b, c, sides[0]), (a, b, d, sides[1]), (c, d, a, sides[2]), (c, d, b, sides[3]))
        if any(side == 0 and between(start, end, point) for start, end, point, side in on):
            return True
    return False


def test_a_disc_keeps_as_many_points_as_it_may() -> None:
    mask = disc(80, (100, 100), Size(200, 200))
    outline = mask_to_outline(mask, OutlineOptions(tolerance=0.0, max_points=30))
    assert len(outline.ring) == 30
    inscribed = 30 / 2 * math.sin(2 * math.pi / 30) / math.pi  # share of a circle in its regular polygon of 30 corners
    assert mask_iou(polygon_to_mask(outline.ring, size_of(mask)), mask) >= inscribed - 0.01


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.lists(st.tuples(st.floats(0, 159.9), st.floats(0, 119.9)), max_size=4))
def test_every_click_holds_and_the_outline_fits_the_parts_that_it_keeps(
    seed: int, clicks: list[tuple[float, float]]
) -> None:
    mask = blob(seed)
    outline = mask_to_outline(mask, FEW, clicks)
    again = polygon_to_mask(outline.ring, size_of(mask))
    assert [again[int(y), int(x)] for x, y in clicks] == [mask[int(y), int(x)] for x, y in clicks]
    assert not mask.any() or mask_iou(again, kept_mask(mask, clicks)) >= 0.95


@settings(deadline=None)
@given(masks, st.data())
def test_every_click_on_or_beside_a_tiny_mask_holds(mask: Mask, data: st.DataObject) -> None:
    height, width = mask.shape
    pixel = st.tuples(st.integers(0, width - 1), st.integers(0, height - 1))
    clicks = [(x + 0.5, y + 0.5) for x, y in data.draw(st.lists(pixel, max_size=5))]
    again = polygon_to_mask(mask_to_outline(mask, FEW, clicks).ring, size_of(mask))
    assert all(again[int(y), int(x)] == mask[int(y), int(x)] for x, y in clicks)


@pytest.mark.parametrize("seed", range(12))
def test_an_outline_of_one_part_never_meets_itself(seed: int) -> None:
    mask = kept_mask(ragged(seed), [])
    outline = mask_to_outline(mask, FEW)
    if not outline.holes:
        assert not crosses_itself(outline.ring)


def cut(seed: int) -> Mask:
    """A disc with a crooked cut, as thin as a pixel or two: its two sides are easily pulled over each other."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((160, 200), np.uint8)
    cv2.circle(canvas, (100, 80), 70, 1, -1)
    points = [np.array([100, 80]) + rng.normal(0, 20, 2)]
    angle = rng.uniform(0, 6.28)
    for _ in range(60):
        angle += rng.normal(0, 0.25)
        points.append(points[-1] + 3 * np.array([np.cos(angle), np.sin(angle)]))
    cv2.polylines(canvas, [np.array(points).round().astype(np.int32)], False, 0, 1 + seed % 2)
    return canvas > 0


@pytest.mark.parametrize("seed", [11, 51, 131, 183, 191])
def test_the_two_sides_of_a_thin_cut_are_not_pulled_over_each_other(seed: int) -> None:
    """The IoU would not tell: the cut has next to no area."""
    outline = mask_to_outline(cut(seed), OutlineOptions(max_points=24))
    assert (outline.parts, outline.holes) == (1, 0)
    assert not crosses_itself(outline.ring)


def test_where_few_points_would_spoil_a_mask_more_are_kept() -> None:
    needing = [mask_to_outline(kept_mask(ragged(seed), []), FEW) for seed in range(12)]
    assert sum(len(outline.ring) > 12 for outline in needing) >= 6
    for seed, outline in enumerate(needing):
        mask = kept_mask(ragged(seed), [])
        assert mask_iou(polygon_to_mask(outline.ring, size_of(mask)), mask) >= 0.95
        assert len(outline.ring) < sum(map(len, mask_to_rings(mask))) / 2


def test_only_the_largest_part_and_the_clicked_ones_are_kept() -> None:
    size = Size(300, 100)
    parts = [disc(radius, (x, 50), size) for radius, x in ((40, 50), (20, 150), (10, 250))]
    mask = np.logical_or.reduce(parts)
    alone, two = mask_to_outline(mask), mask_to_outline(mask, clicks=[(250.2, 50.0)])
    assert (alone.parts, two.parts) == (1, 2)
    assert mask_iou(polygon_to_mask(alone.ring, size), parts[0]) >= 0.95
    assert mask_iou(polygon_to_mask(two.ring, size), parts[0] | parts[2]) >= 0.95
    assert alone.left_out == pytest.approx((20**2 + 10**2) / (40**2 + 20**2 + 10**2), abs=0.01)
    assert len({tuple(point) for point in alone.ring.tolist()}) == len(alone.ring)  # no edge runs back on itself


def test_all_parts_and_holes_are_kept_where_a_project_asks_for_them() -> None:
    size = Size(300, 100)
    mask = disc(40, (50, 50), size) & ~disc(4, (50, 50), size) | disc(20, (150, 50), size)
    outline = mask_to_outline(mask, OutlineOptions(all_parts=True))
    assert (outline.parts, outline.holes, outline.left_out) == (2, 1, 0)
    assert mask_iou(polygon_to_mask(outline.ring, size), mask) >= 0.95
    assert len(outline.ring) <= 60


def test_a_small_hole_is_filled_in_unless_it_was_clicked_and_a_large_one_stays() -> None:
    size = Size(200, 200)
    small, large = (disc(80, (100, 100), size) & ~disc(radius, (100, 100), size) for radius in (8, 50))
    assert (mask_to_outline(small).holes, polygon_to_mask(mask_to_outline(small).ring, size)[100, 100]) == (0, True)
    for outline in (mask_to_outline(small, clicks=[(100.5, 100.5)]), mask_to_outline(large)):
        assert (outline.holes, polygon_to_mask(outline.ring, size)[100, 100]) == (1, False)


def test_a_click_next_to_a_thin_arm_keeps_the_arm() -> None:
    """Its tip would go first: the arm is two pixels wide and holds a thousandth of the area."""
    mask = disc(90, (100, 120), Size(200, 260))
    mask[4:40, 99:101] = True
    tip = (99.5, 4.5)
    without, held = (mask_to_outline(mask, OutlineOptions(max_points=8), clicks) for clicks in ([], [tip]))
    assert not covers([without.ring], np.array([tip]))[0]
    assert covers([held.ring], np.array([tip]))[0]


def test_an_empty_mask_has_no_outline() -> None:
    outline = mask_to_outline(np.zeros((3, 4), bool))
    assert (outline.ring.shape, outline.parts) == ((0, 2), 0)


@settings(deadline=None)
@given(masks)
def test_parts_and_holes_are_those_of_opencv(mask: Mask) -> None:
    parts = find_parts(mask_to_rings(mask))
    contours, tree = cv2.findContours(np.pad(mask, 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = [number for number in range(len(contours)) if tree[0][number][3] < 0]
    holes = sorted(sum(entry[3] == number for entry in tree[0]) for number in outer)
    assert sorted(len(part.holes) for part in parts) == holes
    assert sum(part.area for part in parts) == mask.sum()


@settings(deadline=None)
@given(masks)
def test_each_pixel_of_a_mask_belongs_to_exactly_one_part(mask: Mask) -> None:
    parts = find_parts(mask_to_rings(mask))
    pixels = np.argwhere(mask)[:, ::-1] + 0.5
    assert all(sum(part.covers(pixel) for part in parts) == 1 for pixel in pixels)
    if parts:
        assert choose_parts(parts, pixels) == parts


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=3, max_size=9))
def test_pixels_are_covered_as_a_polygon_is_filled(points: list[tuple[int, int]]) -> None:
    ring = np.array(points, float)
    rows, columns = np.mgrid[:12, :12]
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
    assert np.array_equal(covers([ring], pixels), polygon_to_mask(ring, Size(12, 12)).ravel())


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=9, unique=True))
def test_rings_meet_where_exact_arithmetic_says_so(points: list[tuple[int, int]]) -> None:
    ring = np.array(points, float)
    assert rings_meet([ring]) == crosses_itself(ring)


def test_the_vertex_with_the_smallest_triangle_goes_first_and_three_remain() -> None:
    """The triangles of (5, 1) and (5, 9) have areas of 5 and of 45; a corner's is 45 or more."""
    ring = np.array([(0, 0), (5, 1), (10, 0), (10, 18), (5, 9), (0, 18)], float)
    removal = VertexRemoval([ring], 10)
    assert removal.order[0] == 1
    (kept,) = removal.kept_after(len(removal.order))
    assert int(kept.sum()) == 3


def test_no_removal_passes_over_an_obstacle() -> None:
    ring = np.array([(0, 0), (5, 1), (10, 0), (10, 18), (0, 18)], float)
    assert VertexRemoval([ring], 1, np.array([(5.0, 0.5)])).order != [1]
    assert VertexRemoval([ring], 1, np.zeros((0, 2))).order == [1]
