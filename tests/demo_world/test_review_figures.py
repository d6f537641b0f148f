"""How early a queue shows its errors: counted by hand; and that the damage done to masks is damage."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from backend.geometry import mask_iou
from scripts.demo_world.damage import CHANGES, MAX_IOU, damage_mask
from scripts.demo_world.draw_curves import Curve, draw_curves
from scripts.demo_world.review_figures import Queue

RNG_SEEDS = range(6)


def queue(*items: tuple[float, bool]) -> Queue:
    trust, is_error = zip(*items, strict=True)
    return Queue(np.array(trust), np.array(is_error))


# in order of trust: an error, a correct one, an error, five correct ones
EIGHT = queue(
    (0.9, False), (0.1, True), (0.5, False), (0.3, True), (0.2, False), (0.6, False), (0.8, False), (0.7, False)
)


def test_the_share_of_errors_found_grows_along_the_queue() -> None:
    assert EIGHT.found() == pytest.approx([0, 0.5, 0.5, 1, 1, 1, 1, 1, 1])
    assert (EIGHT.found_in_first(0.25), EIGHT.best_in_first(0.25)) == (0.5, 1)
    assert EIGHT.best_in_first(1 / 8) == 0.5


def test_items_with_the_same_trust_count_for_the_mean_of_their_group() -> None:
    tied = queue((0.4, True), (0.4, False), (0.9, True), (0.9, False))
    assert tied.found() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert tied.auroc == 0.5


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert EIGHT.auroc == pytest.approx((6 + 5) / (2 * 6))  # the second error comes after one correct mask of six


def test_average_precision_is_the_mean_precision_at_the_errors() -> None:
    assert EIGHT.average_precision == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_a_queue_without_errors_has_nothing_to_find() -> None:
    assert queue((0.1, False), (0.2, False)).found_in_first(0.5) == 0


def disc(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.indices((120, 160))
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


@pytest.mark.parametrize("kind", CHANGES)
def test_a_damaged_mask_is_another_one(kind: str) -> None:
    mask = disc(80, 60, 25)
    for seed in RNG_SEEDS:
        damaged = damage_mask(kind, mask, [], np.random.default_rng(seed))
        assert damaged is not None and 0.1 < mask_iou(damaged, mask) <= MAX_IOU
        if kind in ("eroded", "halved"):
            assert not (damaged & ~mask).any()
        if kind == "dilated":
            assert not (mask & ~damaged).any()


def test_a_mask_is_merged_with_the_nearest_other_one_that_makes_a_difference() -> None:
    mask, near, far, tiny = disc(40, 60, 15), disc(80, 60, 15), disc(140, 60, 15), disc(60, 60, 2)
    rng = np.random.default_rng(0)
    assert np.array_equal(damage_mask("merged", mask, [far, tiny, near], rng), mask | near)
    assert damage_mask("merged", mask, [tiny], rng) is None


def test_the_curves_are_drawn_from_the_lower_left_to_the_upper_right() -> None:
    root = ElementTree.fromstring(draw_curves([Curve("one", [0, 0.8, 1])]))
    lines = [
        element
        for element in root.iter()
        if element.tag.endswith("polyline") and "stroke-dasharray" not in element.attrib
    ]
    places = [tuple(map(float, place.split(","))) for place in lines[-1].attrib["points"].split()]
    (left, bottom), middle, (right, top) = places
    assert left < middle[0] < right and bottom > middle[1] > top
    assert middle[0] - left == pytest.approx((right - left) / 2, abs=0.1)
    assert bottom - middle[1] == pytest.approx(0.8 * (bottom - top), abs=0.1)
    assert "one" in [element.text for element in root.iter()]
