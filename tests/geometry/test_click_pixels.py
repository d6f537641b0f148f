"""Clicks hold in the pixels of a mask, and a later click wins within two pixels of an earlier one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.geometry import Click, clicks_that_count, hold_clicks, pixel_of
from backend.values import Mask

masks = hnp.arrays(np.bool_, (18, 24))
clicks = st.lists(st.tuples(st.floats(0, 24), st.floats(0, 18), st.integers(0, 1)), max_size=6)


@pytest.mark.parametrize(("point", "pixel"), [((0.0, 0.0), (0, 0)), ((3.9, 2.0), (3, 2)), ((24.0, 18.0), (23, 17))])
def test_a_point_lies_in_the_pixel_to_its_upper_left_and_on_the_far_edge_in_the_last(point, pixel) -> None:
    assert pixel_of(point, (18, 24)) == pixel


@pytest.mark.parametrize(
    ("made", "counting"),
    [
        ([(5, 5, 1), (7, 5, 0)], [(7, 5, 0)]),  # two pixels away: the later one wins
        ([(5, 5, 1), (7.1, 5, 0)], [(5, 5, 1), (7.1, 5, 0)]),
        ([(5, 5, 1), (5, 5, 1)], [(5, 5, 1), (5, 5, 1)]),  # they agree
        ([(5, 5, 1), (6, 5, 0), (7, 5, 1)], [(5, 5, 1), (7, 5, 1)]),  # what is overruled overrules nothing
        ([], []),
    ],
)
def test_a_later_click_of_the_other_kind_overrules_one_within_two_pixels(made, counting) -> None:
    assert clicks_that_count(made) == counting


def test_a_disc_is_drawn_around_a_click_that_the_mask_does_not_agree_with() -> None:
    mask = np.zeros((5, 7), bool)
    held = hold_clicks(mask, [(3.5, 2.5, 1)], 1.0)
    assert [tuple(at) for at in np.argwhere(held)] == [(1, 3), (2, 2), (2, 3), (2, 4), (3, 3)]
    assert not mask.any()


@settings(deadline=None)
@given(masks, clicks, st.floats(0, 6))
def test_every_click_that_counts_holds_and_pixels_away_from_clicks_stay(
    mask: Mask, made: list[Click], radius: float
) -> None:
    held, counting = hold_clicks(mask, made, radius), clicks_that_count(made)
    pixels = [(pixel_of(click, mask.shape), bool(click[2])) for click in counting]
    assert all(held[y, x] == inside for (x, y), inside in pixels)
    for y, x in np.argwhere(held != mask):
        nearest = min(math.dist((x, y), pixel) for pixel, inside in pixels if inside == held[y, x])
        assert nearest <= radius
    if all(mask[y, x] == inside for (x, y), inside in pixels):
        assert held is mask
