"""A mask made larger or smaller changes by the step, along its border, and never under a click."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.geometry import resize_mask

EIGHT = np.ones((3, 3), np.uint8)


def disc(radius: float, size: tuple[int, int] = (120, 160), centre: tuple[float, float] = (80, 60)) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("grows", [True, False])
@pytest.mark.parametrize("radius", [3, 10, 30, 50])
def test_the_area_changes_by_a_twentieth(radius: float, grows: bool) -> None:
    mask = disc(radius)
    resized = resize_mask(mask, grows=grows)
    assert resized is not None
    area = int(mask.sum())
    assert int(resized.sum()) - area == (1 if grows else -1) * max(1, round(area / 20))
    inner, outer = (mask, resized) if grows else (resized, mask)
    assert not (inner & ~outer).any()


def test_pixels_change_along_the_border_only() -> None:
    mask = disc(40)
    border = (cv2.dilate(mask.astype(np.uint8), EIGHT) - cv2.erode(mask.astype(np.uint8), EIGHT)) > 0
    for grows in (True, False):
        resized = resize_mask(mask, grows=grows)
        assert resized is not None
        assert not ((resized ^ mask) & ~border).any()


@given(seed=st.integers(0, 2**32), grows=st.booleans(), count=st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_clicks_hold_through_many_steps(seed: int, grows: bool, count: int) -> None:
    rng = np.random.default_rng(seed)
    mask = disc(rng.uniform(2, 25), (60, 80), (rng.uniform(5, 75), rng.uniform(5, 55)))
    points = [(float(x), float(y)) for x, y in rng.uniform((0, 0), (80, 60), (count, 2))]
    held = [mask[int(y), int(x)] for x, y in points]
    for _ in range(20):
        resized = resize_mask(mask, grows=grows, keep=points)
        if resized is None:
            break
        assert (resized != mask).any()
        assert [resized[int(y), int(x)] for x, y in points] == held
        mask = resized


def test_a_mask_shrinks_until_only_a_pixel_is_left_and_then_not_any_more() -> None:
    mask: np.ndarray | None = disc(6)
    areas = []
    while mask is not None:
        areas.append(int(mask.sum()))
        mask = resize_mask(mask, grows=False)
    assert areas[-1] == 1
    assert all(before > after for before, after in pairwise(areas))


def test_a_mask_that_fills_the_image_cannot_grow_and_an_empty_one_neither() -> None:
    assert resize_mask(np.ones((8, 9), bool), grows=True) is None
    assert resize_mask(np.zeros((8, 9), bool), grows=True) is None
    almost = np.ones((8, 9), bool)
    almost[0, 0] = False
    grown = resize_mask(almost, grows=True)
    assert grown is not None and grown.all()
    assert resize_mask(almost, grows=True, keep=[(0.5, 0.5)]) is None


def test_a_click_on_the_far_edge_of_the_image_holds_its_last_pixel() -> None:
    mask = np.zeros((8, 9), bool)
    mask[:, :8] = True
    grown = resize_mask(mask, grows=True, keep=[(9.0, 8.0)])
    assert grown is not None and not grown[7, 8]


def test_levels_decide_which_pixels_go_first() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True  # 100 pixels: a step is five
    levels = np.where(mask, 5.0, -5.0)
    levels[5, 5:10] = 0.5  # the five that belong to it the least
    levels[15, 6:11] = -0.5  # the five outside that belong to it the most
    levels[0, 0:10] = -0.1  # not connected to it
    shrunk, grown = (resize_mask(mask, grows=grows, levels=levels) for grows in (False, True))
    assert shrunk is not None and grown is not None
    assert np.argwhere(mask & ~shrunk).tolist() == [[5, x] for x in range(5, 10)]
    assert np.argwhere(grown & ~mask).tolist() == [[15, x] for x in range(6, 11)]


@pytest.mark.parametrize("grows", [True, False])
def test_a_flipped_image_is_resized_by_as_much(grows: bool) -> None:
    mask = disc(17, (50, 70), (20, 30))
    one, other = resize_mask(mask, grows=grows), resize_mask(mask[:, ::-1], grows=grows)
    assert one is not None and other is not None and one.sum() == other.sum()
