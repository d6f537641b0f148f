"""Which automatic masks are kept for their shape, on masks whose overlaps are counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.engine.clean_proposals import keep_clean
from backend.values import Candidate, Nesting
from tests.fakes import OPTIONS

EVERY = replace(OPTIONS, mask_nms_thresh=1.0)


def columns(left: int, right: int) -> np.ndarray:
    """A mask of whole columns in an image of 100x10 pixels: each column has 10 of 1000 pixels."""
    mask = np.zeros((10, 100), bool)
    mask[:, left:right] = True
    return mask


def kept(masks: list[np.ndarray], **options: object) -> list[int]:
    """The places of the masks that are kept; the first has the best score."""
    candidates = [Candidate(mask, 1 - place / 100) for place, mask in enumerate(masks)]
    by_identity = {id(candidate): place for place, candidate in enumerate(candidates)}
    return [by_identity[id(one)] for one in keep_clean(candidates, replace(EVERY, **options))]


def test_without_options_every_distinct_mask_is_kept() -> None:
    masks = [columns(0, 50), columns(10, 20), columns(0, 100), columns(99, 100)]
    assert kept(masks) == [0, 1, 2, 3]
    assert kept([]) == []


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"min_area": 20}, [0, 1, 2]),
        ({"min_area": 21}, [0, 1]),
        ({"min_area_share": 0.02}, [0, 1, 2]),
        ({"min_area_share": 0.021}, [0, 1]),
        ({"min_area": 20, "min_area_share": 0.3}, [0]),
        ({"max_area_share": 0.4}, [0, 1, 2, 3]),
        ({"max_area_share": 0.39}, [1, 2, 3]),
    ],
)
def test_masks_of_other_areas_are_dropped(options: dict[str, float], places: list[int]) -> None:
    assert kept([columns(0, 40), columns(50, 60), columns(70, 72), columns(80, 81)], **options) == places


def test_of_near_duplicates_the_best_is_kept() -> None:
    masks = [columns(0, 10), columns(1, 10), columns(0, 9), columns(2, 10)]  # IoU with the first: 0.9, 0.9, 0.8
    assert kept(masks, mask_nms_thresh=0.8) == [0, 3]
    assert kept(masks, mask_nms_thresh=0.79) == [0]


@pytest.mark.parametrize(
    ("nesting", "places"), [(Nesting.BOTH, [0, 1, 2, 3, 4]), (Nesting.WHOLES, [1, 4]), (Nesting.PARTS, [2, 3, 4])]
)
def test_of_a_whole_and_its_parts_either_is_kept_or_both(nesting: Nesting, places: list[int]) -> None:
    """A wheel in a car in a street; a window in the car; a tree apart."""
    car, street, wheel, window, tree = (
        columns(10, 30), columns(0, 60), columns(12, 16), columns(20, 24), columns(70, 80)
    )  # fmt: skip
    assert kept([car, street, wheel, window, tree], nesting=nesting) == places


def test_of_a_whole_and_its_parts_the_better_one_is_kept() -> None:
    car, wheel, window, tree = columns(10, 30), columns(12, 16), columns(20, 24), columns(70, 80)
    assert kept([car, wheel, window, tree], nesting=Nesting.BEST) == [0, 3]
    assert kept([wheel, car, window, tree], nesting=Nesting.BEST) == [0, 2, 3]
    street = columns(0, 60)  # drops the car, which then does not drop the wheel
    assert kept([wheel, street, car, window], nesting=Nesting.BEST) == [0, 3]


def test_a_mask_that_sticks_out_is_a_part_up_to_a_tenth_of_it() -> None:
    car, wheel, bus = columns(0, 30), columns(21, 31), columns(40, 60)  # 9 of the wheel's 10 columns
    assert kept([wheel, car, bus], nesting=Nesting.WHOLES) == [1, 2]
    assert kept([wheel, car, bus], nesting=Nesting.WHOLES, containment_thresh=0.91) == [0, 1, 2]
    assert kept([wheel, car, bus], nesting=Nesting.PARTS) == [0, 2]


def test_what_surrounds_an_object_is_not_its_whole() -> None:
    wall, picture = columns(0, 100), columns(40, 60)
    wall[:, 40:60] = False
    assert kept([wall, picture], nesting=Nesting.WHOLES) == kept([wall, picture], nesting=Nesting.PARTS) == [0, 1]


def test_a_mask_that_is_dropped_drops_no_other() -> None:
    everything, copy, car, wheel = columns(0, 100), columns(0, 99), columns(10, 30), columns(12, 16)
    assert kept([everything, car], nesting=Nesting.WHOLES) == [0]
    assert kept([everything, car], nesting=Nesting.WHOLES, max_area_share=0.9) == [1]
    assert kept([wheel, car], nesting=Nesting.PARTS, min_area=50) == [1]
    assert kept([everything, copy], mask_nms_thresh=0.8, max_area_share=0.995) == [1]
