"""Boxes on images: what is clipped stays inside, and only what lies outside is gone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.geometry import clip_box, keep_parts_in_box
from backend.values import Size

SIZE = Size(64, 48)
NUMBERS = st.floats(-200, 200, allow_nan=False)


def test_a_box_that_reaches_over_the_edges_is_cut_there() -> None:
    assert clip_box((-5.0, 10.5, 20.25, 99.0), SIZE) == (0.0, 10.5, 20.25, 48.0)
    assert clip_box((1.0, 2.0, 3.0, 4.0), SIZE) == (1.0, 2.0, 3.0, 4.0)


def test_a_box_outside_or_without_an_area_is_none() -> None:
    for box in [(64.0, 0.0, 70.0, 9.0), (0.0, -9.0, 9.0, 0.0), (5.0, 5.0, 5.0, 9.0), (9.0, 5.0, 8.0, 9.0)]:
        assert clip_box(box, SIZE) is None


@given(NUMBERS, NUMBERS, st.floats(0.01, 300), st.floats(0.01, 300))
def test_the_area_of_the_clipped_box_is_the_overlap(left: float, top: float, width: float, height: float) -> None:
    across = max(0.0, min(left + width, 64.0) - max(left, 0.0))
    down = max(0.0, min(top + height, 48.0) - max(top, 0.0))
    clipped = clip_box((left, top, left + width, top + height), SIZE)
    if across == 0 or down == 0:
        assert clipped is None
        return
    assert clipped is not None
    assert (clipped[2] - clipped[0], clipped[3] - clipped[1]) == (across, down)
    assert clip_box(clipped, SIZE) == clipped


def paint(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((48, 64), bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def test_parts_outside_the_box_are_removed_and_a_part_that_reaches_over_its_edge_stays_whole() -> None:
    inside, over, outside = (10, 10, 14, 14), (18, 10, 30, 12), (40, 40, 60, 48)
    mask = paint(inside, over, outside)
    assert (keep_parts_in_box(mask, (9.0, 9.0, 20.0, 20.0)) == paint(inside, over)).all()
    assert (keep_parts_in_box(mask, (9.0, 9.0, 15.0, 20.0)) == paint(inside)).all()
    assert mask.sum() == paint(inside, over, outside).sum()  # it is not written to
    assert not keep_parts_in_box(mask, (0.0, 0.0, 5.0, 5.0)).any()


def test_nothing_is_copied_where_nothing_is_removed() -> None:
    mask, empty = paint((10, 10, 14, 14)), paint()
    assert keep_parts_in_box(mask, (13.5, 13.5, 20.0, 20.0)) is mask
    assert keep_parts_in_box(empty, (0.0, 0.0, 9.0, 9.0)) is empty


@given(st.lists(st.integers(0, 11), min_size=48, max_size=48), st.tuples(*[st.floats(0, 12)] * 4))
def test_what_is_left_touches_the_box_and_what_was_in_it_is_left(numbers: list[int], edges: tuple[float, ...]) -> None:
    mask = np.array([number < 3 for number in numbers for _ in range(3)]).reshape(12, 12)
    left, right = sorted(edges[:2])
    top, bottom = sorted(edges[2:])
    rest = keep_parts_in_box(mask, (left, top, right, bottom))
    window = np.s_[int(np.floor(top)) : int(np.ceil(bottom)), int(np.floor(left)) : int(np.ceil(right))]
    assert (rest <= mask).all() and (rest[window] == mask[window]).all()
    assert (keep_parts_in_box(rest, (left, top, right, bottom)) == rest).all()
    if not mask[window].any():
        assert not rest.any()
