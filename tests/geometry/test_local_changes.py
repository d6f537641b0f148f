"""Of a change, the parts at the clicks: what is far from them, or of the other kind, stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.geometry import change_at_cell, change_at_clicks, parts_at_clicks, pixel_of, stability_of

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


def test_logits_change_at_the_click_and_right_beside_what_changes_there() -> None:
    """A column is added at the click and one at the other side; cells beside the first move with it, no others."""
    before = np.full((6, 9), -3.0, np.float32)
    before[:, 3:6] = 3.0
    after = np.full((6, 9), -2.0, np.float32)
    after[:, 2:7] = 2.0
    changed = change_at_cell(before, after, (13.0, 5.0, 1), (0.5, 0.5))  # column 6 is clicked
    assert changed[2].tolist() == [-3, -3, -3, 3, 3, 2, 2, -2, -3]
    assert (changed == changed[0]).all()
    assert before[0, 6] == -3


def test_a_cell_beside_the_change_that_would_change_sides_stays() -> None:
    before, after = np.full((5, 5), -3.0, np.float32), np.full((5, 5), -2.0, np.float32)
    before[1:4, 3] = 3.0  # taken away beside a click that adds
    after[2, 2] = 2.0
    changed = change_at_cell(before, after, (2.5, 2.5, 1), (1.0, 1.0))
    assert changed[2].tolist() == [-3, -2, 2, 3, -3]


@pytest.mark.parametrize(
    ("logits", "expected"),
    [([[2, 2, 0.5, -0.5, -2]], 0.5), ([[1.5, 3]], 1.0), ([[-3, -1.5]], 0.0), ([[1, -1, 0, 2]], 1 / 3)],
)
def test_stability_is_the_share_of_the_uncertain_mask_that_is_sure(logits: list[list[float]], expected: float) -> None:
    """`-1` itself is outside the larger mask and `1` itself outside the smaller one."""
    assert stability_of(np.array(logits, np.float32)) == pytest.approx(expected)
