"""Specks and pinholes go, everything else stays; OpenCV's labelling of parts is the judge."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.geometry import clean_mask, pixel_of, speck_area
from backend.values import Mask, Size

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24))
points = st.lists(st.tuples(st.floats(0, 23), st.floats(0, 23)), max_size=2)


def drawn(*rows: str) -> Mask:
    return np.array([[mark == "#" for mark in row] for row in rows])


@pytest.mark.parametrize(
    ("size", "area"), [(Size(1920, 1080), 52), (Size(4000, 3000), 300), (Size(100, 80), 8), (Size(1, 1), 8)]
)
def test_a_speck_is_a_forty_thousandth_of_the_image_and_at_least_eight_pixels(size: Size, area: int) -> None:
    assert speck_area(size) == area


def test_a_speck_and_a_pinhole_go() -> None:
    mask = drawn(
        "#####..#.",
        "#.###....",
        "#####...#",
        "#####....",
    )
    assert np.array_equal(clean_mask(mask, 2), drawn("#####....", "#####....", "#####....", "#####...."))


def test_what_has_the_least_area_stays() -> None:
    mask = drawn("#####..##", "#..##....", "#####....")
    assert clean_mask(mask, 2) is mask


def test_a_part_under_a_click_is_no_speck() -> None:
    mask = drawn("###..#", "###...")
    assert clean_mask(mask, 4, keep=[(5.5, 0.5)]) is mask
    assert clean_mask(mask, 4, keep=[(4.5, 0.5)]).sum() == 6


def test_a_click_inside_the_hole_of_a_speck_does_not_keep_the_speck() -> None:
    ring = np.zeros((5, 20), bool)
    ring[0:5, 0:5] = True
    ring[1:4, 1:4] = False  # 16 pixels
    ring[2, 2] = True
    ring[:, 10:20] = True
    cleaned = clean_mask(ring, 20, keep=[(2.5, 2.5)])
    assert cleaned[:, :5].sum() == 1 and cleaned[2, 2]


def test_a_hole_under_a_background_click_is_no_pinhole() -> None:
    mask = drawn("#####", "#.#.#", "#####")
    assert np.array_equal(clean_mask(mask, 4, keep=[(1.5, 1.5)]), drawn("#####", "#.###", "#####"))


@settings(deadline=None, max_examples=300)
@given(masks, st.integers(0, 30), points)
def test_the_pixel_of_a_click_stays_as_it_is(mask: Mask, least: int, keep: list[tuple[float, float]]) -> None:
    cleaned = clean_mask(mask, least, keep)
    assert all(cleaned[y, x] == mask[y, x] for x, y in (pixel_of(point, mask.shape) for point in keep))


def test_a_mask_of_specks_keeps_its_largest() -> None:
    assert np.array_equal(clean_mask(drawn("##..#", "#...."), 100), drawn("##...", "#...."))


def test_a_speck_within_a_pinhole_is_filled_with_it() -> None:
    mask = np.ones((9, 9), bool)
    mask[2:5, 2:5] = False
    mask[3, 3] = True
    assert clean_mask(mask, 10).all()
    assert not clean_mask(mask, 9)[2:5, 2:5].any()


def test_an_empty_mask_stays_empty() -> None:
    empty = np.zeros((3, 3), bool)
    assert clean_mask(empty, 10) is empty


@settings(deadline=None, max_examples=300)
@given(masks, st.integers(0, 30), points)
def test_no_speck_and_no_pinhole_is_left_and_nothing_else_is_touched(
    mask: Mask, least: int, keep: list[tuple[float, float]]
) -> None:
    height, width = mask.shape
    keep = [(min(x, width - 0.5), min(y, height - 0.5)) for x, y in keep]
    before = mask.copy()
    cleaned = clean_mask(mask, least, keep)
    assert np.array_equal(mask, before)
    labels, areas = parts_of(mask, 8)
    kept = {int(labels[int(y), int(x)]) for x, y in keep} - {0}
    for part, area in enumerate(areas[1:], start=1):
        own = labels == part
        if area >= least or part in kept:
            assert cleaned[own].all()
        elif cleaned[own].any():
            assert cleaned[own].all()
            assert area == areas[1:].max() or fills_a_pinhole(own, cleaned, least)
    assert cleaned.any() == mask.any()
    holes, sizes = parts_of(~np.pad(cleaned, 1), 4)
    clicked = {int(holes[int(y) + 1, int(x) + 1]) for x, y in keep}  # a hole under a click is no pinhole
    assert all(size >= least for number, size in enumerate(sizes) if number not in {0, holes[0, 0]} | clicked) or kept
    added = cleaned & ~mask
    _, added_areas = parts_of(added, 4)
    assert all(area < least for area in added_areas[1:])


def parts_of(mask: Mask, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    return labels, stats[:, cv2.CC_STAT_AREA]


def fills_a_pinhole(own: Mask, cleaned: Mask, least: int) -> bool:
    """Whether the speck is now inside a larger part."""
    labels, areas = parts_of(cleaned, 8)
    return bool(areas[labels[own][0]] > own.sum())
