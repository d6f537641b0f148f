"""What a search by example finds among automatic masks, and on which grid those are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.engine import EncodedImage
from backend.engine.proposal_cache import ProposalCache
from backend.engine.similar_search import SimilarSearch
from backend.values import Candidate, ProposalParameters
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
