"""Of a change, the parts at the clicks: what is far from them, or of the other kind, stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.geometry import change_at_clicks, parts_at_clicks, pixel_of

BEFORE = np.zeros((30, 40), bool)
BEFORE[8:22, 10:30] = True
AFTER = BEFORE.copy()
AFTER[10:14, 30:34] = True  # added on the right, and far from there at the bottom
AFTER[22:24, 12:18] = True
AFTER[8:10, 26:30] = False  # removed in a corner, and far from there on the left
AFTER[16:20, 10:13] = False


def boxes(*places: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros(BEFORE.shape, bool)
    for place in places:
        mask[place] = True
    return mask


RIGHT, CORNER = np.s_[10:14, 30:34], np.s_[8:10, 26:30]


@pytest.mark.parametrize(
    ("clicks", "expected"),
    [
        ([(32.5, 11.5, 1)], BEFORE | boxes(RIGHT)),
        ([(27.5, 8.5, 0)], BEFORE & ~boxes(CORNER)),
        ([(32.5, 11.5, 1), (27.5, 8.5, 0)], (BEFORE | boxes(RIGHT)) & ~boxes(CORNER)),
        ([(35.5, 11.5, 1)], BEFORE | boxes(RIGHT)),  # two pixels beside the part
        ([(36.5, 11.5, 1)], BEFORE),  # three
        ([(27.5, 10.5, 0)], BEFORE & ~boxes(CORNER)),
    ],
)
def test_only_the_parts_of_the_change_at_a_click_and_of_its_kind_are_taken(clicks, expected) -> None:
    before, after = BEFORE.copy(), AFTER.copy()
    assert np.array_equal(change_at_clicks(before, after, clicks, 2), expected)
    assert np.array_equal(before, BEFORE) and np.array_equal(after, AFTER)


def test_parts_that_touch_at_a_corner_are_one() -> None:
    before, after = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    after[1:3, 1:3] = after[3:5, 3:5] = True
    after[6:, 6:] = True
    changed = change_at_clicks(before, after, [(1.5, 1.5, 1)], 0)
    assert changed[4, 4] and np.count_nonzero(changed) == 8


def test_clicks_that_hold_already_ask_for_the_whole_answer() -> None:
    assert change_at_clicks(BEFORE, AFTER, [(20.5, 15.5, 1), (2.5, 2.5, 0)], 2) is AFTER


masks = arrays(bool, (9, 12))
clicks = st.lists(st.tuples(st.floats(0, 12), st.floats(0, 9), st.integers(0, 1)), min_size=1, max_size=3)


@settings(deadline=None)
@given(masks, masks, clicks)
def test_each_pixel_is_of_one_of_the_masks_and_clicks_that_hold_in_the_answer_hold(before, after, clicks) -> None:
    changed = change_at_clicks(before, after, clicks, 1)
    assert ((changed == before) | (changed == after)).all()
    x, y = pixel_of(clicks[-1], before.shape)
    if after[y, x] == bool(clicks[-1][2]):
        assert changed[y, x] == after[y, x]


def test_the_parts_at_clicks_are_those_that_a_click_lies_on() -> None:
    one, other = boxes(np.s_[2:6, 2:6]), boxes(np.s_[6:9, 6:9], np.s_[20:25, 20:25])  # the first two meet at a corner
    parts = parts_at_clicks(one | other, [(3.5, 3.5, 1), (15.5, 15.5, 0)])
    assert np.array_equal(parts, boxes(np.s_[2:6, 2:6], np.s_[6:9, 6:9]))
    assert not parts_at_clicks(one | other, []).any()
    assert not parts_at_clicks(np.zeros_like(one), [(3.5, 3.5, 1)]).any()
