"""Connected parts of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.geometry import separate_parts

TWO = np.zeros((20, 30), bool)
TWO[2:6, 3:8] = True  # 20 pixels
TWO[10:15, 12:20] = True  # 40 pixels
TWO[18, 28] = True


def test_the_large_parts_become_masks_of_their_own_the_largest_first() -> None:
    first, second = separate_parts(TWO, 0.5)
    assert first.sum() == 40 and first[10:15, 12:20].all()
    assert second.sum() == 20 and second[2:6, 3:8].all()


def test_a_mask_with_one_large_part_stays_as_it_is() -> None:
    assert [part is TWO for part in separate_parts(TWO, 0.51)] == [True]


def test_pixels_that_touch_at_a_corner_are_one_part_and_an_empty_mask_has_none() -> None:
    assert len(separate_parts(np.eye(5, dtype=bool), 0.1)) == 1
    assert separate_parts(np.zeros((5, 5), bool), 0.1) == []


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans()))
def test_the_parts_of_any_mask_are_the_mask_without_overlap(mask: np.ndarray) -> None:
    parts = separate_parts(mask, 0.0)
    total = np.sum(parts, axis=0) if parts else np.zeros(mask.shape)
    assert (total == mask).all()


@pytest.mark.parametrize("min_share", [0.0, 0.3, 1.0])
def test_two_parts_of_one_size_are_both_large(min_share: float) -> None:
    mask = np.zeros((6, 9), bool)
    mask[1:3, 1:3] = mask[1:3, 6:8] = True
    assert [int(part.sum()) for part in separate_parts(mask, min_share)] == [4, 4]
