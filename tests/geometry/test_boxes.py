"""Boxes on images: what is clipped stays inside, and only what lies outside is gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.geometry import clip_box
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
