"""What a search by example finds among automatic masks, and on which grid those are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.engine import EncodedImage
from backend.engine.proposal_cache import ProposalCache
from backend.engine.similar_search import SimilarSearch
from backend.values import Candidate, Pixels, ProposalParameters
from tests.fakes import FakeClassifier, encoded, png

PARAMETERS = ProposalParameters(10, 0.75, 0.75, 100, 0.7)


def square(x: int, side: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[2 : 2 + side, x : x + side] = True
    return mask


def test_the_masks_of_a_search_are_made_on_a_grid_of_24_points_or_the_finer_one_of_the_model() -> None:
    asked = []

    def propose(_: EncodedImage, parameters: ProposalParameters) -> list[Candidate]:
        asked.append(parameters)
        return []

    search = SimilarSearch(FakeClassifier(), ProposalCache(propose))
    for points in (10, 32):
        own = replace(PARAMETERS, points_per_side=points)
        assert search.search(encoded(png(40, 30)), [square(2, 6)], [square(2, 6)], own) == []
    assert asked == [replace(PARAMETERS, points_per_side=24), replace(PARAMETERS, points_per_side=32)]


def test_of_an_object_and_its_part_that_both_look_like_the_exemplar_the_one_with_the_higher_score_is_found() -> None:
    def propose(_: EncodedImage, __: ProposalParameters) -> list[Candidate]:
        return [Candidate(square(20, 10), 0.9), Candidate(square(21, 6), 0.8), Candidate(square(34, 5), 0.7)]

    classifier = FakeClassifier(looks=["red car"] * 4)
    found = SimilarSearch(classifier, ProposalCache(propose)).search(
        encoded(png(40, 30)), [square(2, 6)], [square(2, 6)], PARAMETERS
    )
    assert [one.candidate.score for one in found] == [0.9, 0.7]
    assert [int(one.candidate.mask.sum()) for one in found] == [100, 25]


def test_two_objects_that_sam_draws_as_one_mask_are_found_one_by_one() -> None:
    """The mask is of two squares and a stray piece; the parts follow it, then the exemplar, in what CLIP looks at."""

    def propose(_: EncodedImage, __: ProposalParameters) -> list[Candidate]:
        return [Candidate(square(12, 8) | square(22, 6) | square(35, 1), 0.9)]

    search = SimilarSearch(FakeClassifier(looks=["red car", "red car"]), ProposalCache(propose))
    found = search.search(encoded(png(40, 30)), [square(2, 6)], [square(2, 6)], PARAMETERS)
    assert sorted(int(one.candidate.mask.sum()) for one in found) == [36, 64]
    assert [one.candidate.score for one in found] == [0.9, 0.9]


def test_the_other_object_of_a_mask_that_holds_the_exemplar_is_found() -> None:
    """The exemplar is three quarters of the mask, which therefore counts as labeled."""

    def propose(_: EncodedImage, __: ProposalParameters) -> list[Candidate]:
        return [Candidate(square(2, 10) | square(20, 6), 0.9)]

    search = SimilarSearch(FakeClassifier(looks=["red car"]), ProposalCache(propose))
    found = search.search(encoded(png(40, 30)), [square(2, 10)], [square(2, 10)], PARAMETERS)
    assert [int(one.candidate.mask.sum()) for one in found] == [36]


def test_an_object_that_another_one_divides_stays_whole_if_it_looks_more_like_the_exemplar() -> None:
    whole = square(12, 8) | square(22, 8)

    class Halves(FakeClassifier):
        def embed_masks(self, pixels: Pixels, masks: Sequence[np.ndarray]) -> np.ndarray:
            cosine = np.array([0.8 if mask.sum() == 64 else 1.0 for mask in masks], np.float32)
            return self._directions(["red car"]) * cosine[:, None] + self._directions(["red"]) * np.sqrt(
                1 - cosine[:, None] ** 2
            )

    search = SimilarSearch(Halves(), ProposalCache(lambda _, __: [Candidate(whole, 0.9)]))
    found = search.search(encoded(png(40, 30)), [square(2, 6)], [square(2, 6)], PARAMETERS)
    assert [int(one.candidate.mask.sum()) for one in found] == [128]
