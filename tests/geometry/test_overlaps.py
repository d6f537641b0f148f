"""Non-maximum suppression by masks, beside the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.geometry import mask_iou, mask_nms
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


def test_large_masks_are_compared_on_a_grid() -> None:
    shape = (3000, 4000)
    one, other, apart = block(0, 2000, shape), block(0, 1990, shape), block(2500, 3000, shape)
    for mask in (one, other, apart):
        mask[2:2000] = mask[3]
    assert mask_nms([one, other, apart], 0.8) == [0, 2]


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
