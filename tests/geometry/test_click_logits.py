"""Logits follow clicks: where SAM is unsure the mask stays, and around a disobeyed click the border moves."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry import follow_clicks
from backend.geometry.click_logits import MARGIN, MAX_CHANGE

SIDE = 32
ONE_TO_ONE = (1.0, 1.0)
COLUMNS = np.arange(SIDE, dtype=np.float32)[None].repeat(SIDE, axis=0)
LEFT_HALF = 15.5 - COLUMNS  # positive in the columns 0 to 15, falling by one a column


def test_without_a_disobeyed_click_the_clipped_earlier_logits_are_added() -> None:
    before, new = LEFT_HALF, LEFT_HALF + 1
    followed = follow_clicks(new, before, [(3.0, 9.0, 1), (28.0, 9.0, 0)], ONE_TO_ONE, 2.5)
    assert followed[9, [0, 15, 16, 31]].tolist() == [16.5 + 2.5, 1.5 + 0.5, 0.5 - 0.5, -14.5 - 2.5]
    assert np.array_equal(before, LEFT_HALF) and np.array_equal(new, LEFT_HALF + 1)


def test_sam_changes_what_it_is_sure_of_and_nothing_else() -> None:
    before, new = np.full((SIDE, SIDE), -9, np.float32), np.full((SIDE, SIDE), -9, np.float32)
    new[4:8, 4:8], new[20:24, 20:24] = 2.4, 2.6
    followed = follow_clicks(new, before, [(5.0, 5.0, 0)], ONE_TO_ONE, 2.5)
    assert not (followed[4:8, 4:8] > 0).any() and (followed[20:24, 20:24] > 0).all()


@pytest.mark.parametrize(("click", "sign"), [((19.5, 10.5, 1), 1), ((12.5, 10.5, 0), -1)])
def test_the_border_moves_over_a_disobeyed_click_and_only_there(click, sign) -> None:
    followed = follow_clicks(LEFT_HALF, LEFT_HALF, [click], ONE_TO_ONE, 0.0)
    row, column = int(click[1]), int(click[0])
    assert followed[row, column] * sign >= MARGIN - 1e-5
    assert ((followed - LEFT_HALF) * sign >= 0).all()
    changed = (followed > 0) != (LEFT_HALF > 0)
    rows, columns = np.nonzero(changed)
    assert changed[row, min(column, 15) : max(column, 15)].any() and len(rows) >= 4
    assert np.hypot(rows - row, columns - column).max() <= 10


def test_a_click_far_outside_changes_at_most_its_share_of_the_mask() -> None:
    logits = np.where((COLUMNS < 6) & (COLUMNS.T < 6), 4.0, -4.0).astype(np.float32)
    followed = follow_clicks(logits, logits, [(28.0, 28.0, 1)], ONE_TO_ONE, 0.0)
    assert 1 <= np.count_nonzero((followed > 0) != (logits > 0)) <= MAX_CHANGE * 36


def test_clicks_of_both_kinds_beside_each_other_both_hold() -> None:
    clicks = [(22.5, 10.5, 1), (25.5, 10.5, 0), (9.5, 20.5, 0)]
    followed = follow_clicks(LEFT_HALF, LEFT_HALF, clicks, ONE_TO_ONE, 2.5)
    assert [bool(followed[int(y), int(x)] > 0) for x, y, _ in clicks] == [True, False, False]


def test_clicks_are_in_pixels_of_the_original_image() -> None:
    followed = follow_clicks(LEFT_HALF, LEFT_HALF, [(195.0, 105.0, 1)], (0.1, 0.1), 0.0)
    assert followed[10, 19] > 0 >= LEFT_HALF[10, 19]


def test_a_mask_without_a_border_gets_one_around_the_click() -> None:
    empty = np.full((SIDE, SIDE), -3, np.float32)
    followed = follow_clicks(empty, empty, [(16.5, 16.5, 1)], ONE_TO_ONE, 0.0)
    assert followed[16, 16] > 0 and followed[0, 0] == -3
