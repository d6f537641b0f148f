"""The box of a mask against its definition, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.geometry import inner_point, mask_to_box
from backend.values import Mask


def test_the_box_of_two_pixels_ends_one_after_the_last() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5, 7] = mask[9, 20] = True
    assert mask_to_box(mask) == (7, 5, 21, 10)


def test_the_box_of_a_full_mask_is_the_image() -> None:
    assert mask_to_box(np.ones((3, 5), bool)) == (0, 0, 5, 3)


def test_an_empty_mask_has_neither_a_box_nor_an_inner_point() -> None:
    empty = np.zeros((3, 5), bool)
    assert mask_to_box(empty) is None
    with pytest.raises(ValueError, match="empty mask"):
        inner_point(empty)


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)), st.booleans())
def test_the_box_is_what_the_definition_says(mask: Mask, is_column_by_column: bool) -> None:
    if is_column_by_column:  # as pycocotools decodes masks
        mask = np.asfortranarray(mask)
    rows, columns = np.nonzero(mask)
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None
    assert mask_to_box(mask) == expected
