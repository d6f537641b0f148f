"""Strokes on a mask: lines with round ends, in their order."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.geometry import Stroke, draw_strokes

EMPTY = np.zeros((60, 80), bool)


def stroke(*points: tuple[float, float], width: float = 10.0, adds: bool = True) -> Stroke:
    return Stroke(np.array(points, float), width, adds)


def test_a_line_has_its_width_and_round_ends() -> None:
    drawn, passed = draw_strokes(EMPTY, [stroke((20.5, 30.5), (60.5, 30.5))])
    assert (drawn == passed).all()
    _, columns = np.nonzero(drawn)
    assert abs(columns.min() - 15) <= 1 and abs(columns.max() - 65) <= 1  # half the width beyond the ends
    assert abs(np.count_nonzero(drawn[:, 40]) - 10) <= 1
    assert not drawn[26, 15] and not drawn[35, 66]  # the corners of a square end
    assert abs(np.count_nonzero(drawn) - (40 * 10 + math.pi * 25)) <= 60


@given(st.floats(6, 74), st.floats(6, 54), st.floats(6, 74), st.floats(6, 54), st.floats(3, 11))
def test_a_line_covers_the_pixels_within_half_its_width(
    x: float, y: float, to_x: float, to_y: float, width: float
) -> None:
    drawn, _ = draw_strokes(EMPTY, [stroke((x, y), (to_x, to_y), width=width)])
    rows, columns = np.mgrid[:60, :80] + 0.5
    length = math.hypot(to_x - x, to_y - y) or 1.0
    along = (((columns - x) * (to_x - x) + (rows - y) * (to_y - y)) / length**2).clip(0, 1)
    distance = np.hypot(columns - x - along * (to_x - x), rows - y - along * (to_y - y))
    assert drawn[distance < width / 2 - 1.5].all()
    assert not drawn[distance > width / 2 + 1.5].any()


def test_later_strokes_win_and_what_they_pass_is_told() -> None:
    adds, erases = stroke((20, 30), (60, 30)), stroke((40, 30), (40, 50), adds=False)
    drawn, passed = draw_strokes(EMPTY, [adds, erases])
    assert drawn[30, 25] and not drawn[30, 40]
    assert passed[30, 25] and passed[45, 40]
    again, _ = draw_strokes(EMPTY, [erases, adds])
    assert again[30, 40] and not again[45, 40]


def test_a_dot_is_one_point_and_the_mask_is_left_as_it_was() -> None:
    mask = ~EMPTY
    drawn, _ = draw_strokes(mask, [stroke((40.5, 30.5), adds=False)])
    assert abs(np.count_nonzero(~drawn) - math.pi * 25) <= 20
    assert mask.all()
