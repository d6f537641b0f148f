"""Where masks lie is remembered by what they are made of, within a limit."""

from __future__ import annotations

import numpy as np

from backend.label_studio.earlier import EarlierRegion
from backend.label_studio.mask_boxes import MaskBoxes, mask_box, mask_key
from backend.values import Size


def region(rle: object, size: Size = Size(4, 3), region_id: str = "a") -> EarlierRegion:
    return EarlierRegion(region_id, "Cat", size, ({"type": "brushlabels", "value": {"rle": rle}},))


def test_the_box_of_a_mask_holds_its_pixels() -> None:
    mask = np.zeros((30, 40), bool)
    assert mask_box(mask) == (0, 0, 0, 0)
    mask[5, 7] = mask[9, 20] = True
    assert mask_box(mask) == (7, 5, 21, 10)


def test_a_mask_is_named_by_its_bytes_and_size_and_not_by_its_id() -> None:
    assert mask_key(region([1, 2])) == mask_key(region([1, 2], region_id="b"))
    assert len({mask_key(region([1, 2])), mask_key(region([1, 3])), mask_key(region([1, 2], Size(3, 4)))}) == 3
    assert mask_key(region([1, 300])) == mask_key(region(["x"])) == b""


def test_the_choices_of_a_region_do_not_change_its_name() -> None:
    mask = {"type": "brushlabels", "value": {"rle": [1, 2]}}
    choice = {"type": "choices", "value": {"rle": [1, 2], "choices": ["Red"]}}
    assert mask_key(EarlierRegion("a", "Cat", Size(4, 3), (mask, choice))) == mask_key(region([1, 2]))


def test_the_box_that_was_not_asked_for_longest_is_forgotten() -> None:
    boxes, mask = MaskBoxes(most=2), np.ones((3, 4), bool)
    for key in (b"one", b"two"):
        boxes.put(key, mask)
    assert boxes.get(b"one") == (0, 0, 4, 3)
    boxes.put(b"three", mask)
    assert boxes.get(b"two") is None and boxes.get(b"one") is not None
