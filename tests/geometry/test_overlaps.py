"""Non-maximum suppression by masks, beside the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.geometry import MaskOverlaps, mask_iou, mask_nms
from backend.values import Mask


def block(left: int, right: int, shape: tuple[int, int] = (10, 40)) -> Mask:
    mask = np.zeros(shape, bool)
    mask[2:8, left:right] = True
    return mask


def test_of_two_masks_of_one_thing_the_first_is_kept_even_where_a_speck_makes_another_box() -> None:
    whole, with_speck, other = block(0, 20), block(0, 19), block(25, 35)
    with_speck[9, 39] = True
    assert mask_nms([whole, with_speck, other], 0.8) == [0, 2]
    assert mask_nms([with_speck, other, whole], 0.8) == [0, 1]


def test_a_part_is_no_copy_of_the_whole() -> None:
    assert mask_nms([block(0, 20), block(0, 15)], 0.8) == [0, 1]  # an IoU of 0.75
    assert mask_nms([block(0, 20), block(0, 15)], 0.75) == [0, 1]
    assert mask_nms([block(0, 20), block(0, 15)], 0.74) == [0]


def test_what_was_dropped_drops_nothing() -> None:
    """The second is a copy of the first and the third of the second, but not of the first."""
    masks = [block(0, 20), block(2, 22), block(4, 24)]
    assert mask_iou(masks[0], masks[1]) > 0.8 > mask_iou(masks[0], masks[2])
    assert mask_nms(masks, 0.8) == [0, 2]


def test_1_keeps_all_and_nothing_stays_nothing() -> None:
    assert mask_nms([block(0, 20)] * 3, 1.0) == [0, 1, 2]
    assert mask_nms([], 0.8) == []


def test_large_masks_are_compared_pixel_by_pixel() -> None:
    """A comb has the columns of the whole that a grid of every seventh pixel looks at, and an IoU of a seventh."""
    whole, comb = np.zeros((3000, 4000), bool), np.zeros((3000, 4000), bool)
    whole[100:2000] = comb[100:2000, 3::7] = True
    assert mask_nms([whole, comb], 0.8) == [0, 1]
    assert mask_nms([whole, comb], 0.14) == [0]


def test_a_part_lies_in_each_larger_mask_that_has_nine_tenths_of_it() -> None:
    masks = [block(0, 20), block(5, 15), block(19, 29), block(20, 30), block(11, 21)]
    overlaps = MaskOverlaps(masks)
    assert overlaps.areas.tolist() == [120, 60, 60, 60, 60]
    assert overlaps.find_nested(range(5), 0.9) == [(1, 0), (2, 3), (4, 0)]  # nine of ten columns will do
    assert overlaps.find_nested(range(5), 0.91) == [(1, 0)]
    assert overlaps.find_nested([0, 2, 3], 0.9) == [(2, 3)]  # of two equally large ones the earlier is the part
    assert overlaps.find_nested([1, 2], 0.9) == []
    assert MaskOverlaps([]).find_nested([], 0.9) == []


@given(st.lists(st.tuples(st.integers(1, 2**20 - 1), st.integers(0, 40), st.integers(0, 20)), min_size=2, max_size=4))
def test_shared_pixels_are_counted_wherever_the_masks_lie(drawn: list[tuple[int, int, int]]) -> None:
    masks = []
    for bits, column, row in drawn:
        mask = np.zeros((24, 50), bool)
        mask[row : row + 4, column : column + 5] = np.array([bits >> place & 1 for place in range(20)]).reshape(4, 5)
        masks.append(mask)
    overlaps = MaskOverlaps(masks)
    for one, mask in enumerate(masks):
        assert overlaps.areas[one] == mask.sum()
        assert [overlaps.shared(one, other) for other in range(len(masks))] == [int((mask & m).sum()) for m in masks]


@given(st.lists(st.integers(0, 2**16 - 1), max_size=8), st.sampled_from([0.2, 0.5, 0.8]))
def test_it_is_what_the_definition_says(bits: list[int], max_iou: float) -> None:
    masks = [np.array([number >> place & 1 for place in range(16)], bool).reshape(4, 4) for number in bits if number]
    kept: list[int] = []
    for place, mask in enumerate(masks):
        if all(mask_iou(mask, masks[other]) <= max_iou for other in kept):
            kept.append(place)
    assert mask_nms(masks, max_iou) == kept


@pytest.mark.parametrize("max_iou", [0.5, 1.0])
def test_an_empty_mask_is_no_copy(max_iou: float) -> None:
    assert mask_nms([np.zeros((4, 4), bool), block(0, 3)], max_iou) == [0, 1]
