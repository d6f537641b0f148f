"""Matching proposals with final regions, and the exact overlaps it needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.export import EncodedRegion, encode_region, measure_ious
from backend.geometry import mask_iou
from backend.report.matching import match_regions
from backend.values import Mask
from tests.report.project import HEIGHT, WIDTH, box


def region(region_id: str, mask: Mask, label: str = "cat") -> EncodedRegion:
    return encode_region(mask, label, region_id)


def pairs(proposals: list[EncodedRegion], regions: list[EncodedRegion]) -> list[tuple[str, str, str]]:
    matches = match_regions(proposals, regions)
    return [
        (one.proposal.region_id if one.proposal else "", one.region.region_id if one.region else "", one.matched_by)
        for one in matches
    ]


def test_the_same_id_is_the_same_region_whatever_was_painted() -> None:
    before, after = region("a", box(0, 0, 10, 10)), region("a", box(30, 10, 40, 20))
    other = region("b", box(0, 0, 10, 10))
    assert pairs([before], [other, after]) == [("a", "a", "id"), ("", "b", "")]


def test_without_a_common_id_the_largest_overlaps_count_and_each_region_once() -> None:
    proposals = [region("p1", box(0, 0, 10, 10)), region("p2", box(0, 0, 10, 9))]
    regions = [region("r1", box(0, 0, 10, 8)), region("r2", box(0, 0, 10, 10))]
    # IoU p1-r2 is 1, p2-r1 is 80/90; p2-r2 is 0.9, but r2 is taken
    assert pairs(proposals, regions) == [("p1", "r2", "overlap"), ("p2", "r1", "overlap")]


def test_half_an_overlap_is_just_enough() -> None:
    half, less = region("r", box(0, 0, 10, 10)), region("r", box(0, 0, 10, 9))
    proposal = region("p", box(0, 0, 10, 20))
    assert pairs([proposal], [half]) == [("p", "r", "overlap")]
    assert pairs([proposal], [less]) == [("p", "", ""), ("", "r", "")]


def test_equal_masks_have_an_iou_of_exactly_one() -> None:
    ring = box(3, 3, 30, 17) & ~box(10, 6, 20, 12)
    (match,) = match_regions([region("p", ring)], [region("r", ring.copy())])
    assert match.iou == 1.0


def test_two_peoples_regions_are_not_matched_by_their_common_origin() -> None:
    one, other = region("a", box(0, 0, 10, 10)), region("a", box(30, 10, 40, 20))
    assert [match.iou for match in match_regions([one], [other], by_id=False)] == [None, None]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**16), min_size=1, max_size=4), st.lists(st.integers(0, 2**16), min_size=1, max_size=4))
def test_overlaps_of_run_lengths_are_those_of_the_pixels(ours: list[int], theirs: list[int]) -> None:
    def masks(seeds: list[int]) -> list[Mask]:
        return [np.random.default_rng(seed).random((HEIGHT, WIDTH)) < seed % 5 / 4 for seed in seeds]

    one, other = masks(ours), masks(theirs)
    measured = measure_ious([region("", mask) for mask in one], [region("", mask) for mask in other])
    expected = [[mask_iou(a, b) if (a | b).any() else 0.0 for b in other] for a in one]
    np.testing.assert_allclose(measured, expected)


@pytest.mark.parametrize("count", [0, 2])
def test_nothing_overlaps_with_no_region(count: int) -> None:
    assert measure_ious([region("a", box(0, 0, 1, 1))] * count, []).shape == (count, 0)
