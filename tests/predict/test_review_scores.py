"""Scores for review: of a mask its trust, of a prediction the lowest one, 0 without a mask and never none."""

from __future__ import annotations

from typing import Any

import pytest

from backend.label_studio.requests import FindText, SegmentAll
from backend.values import Candidate, ImageEmbedding
from tests.fakes import CONFIG_WITH_IMAGE_CHOICES, OPTIONS, FakeClassifier, FakeSegmenter, Hall

REVIEWED = SegmentAll(OPTIONS, review=True)


class LargeLast(FakeSegmenter):
    """Two squares of 5x5, as a click on them gives, and one of 10x10, which a click gives a quarter of."""

    def propose(self, embedding: ImageEmbedding, parameters: object) -> list[Candidate]:
        small, other, large = super().propose(embedding, parameters)
        large.mask[:] = False
        large.mask[15:25, 20:30] = True
        return [small, other, large]


class NoMasks(FakeSegmenter):
    """A SAM that finds nothing by itself."""

    def propose(self, embedding: ImageEmbedding, parameters: object) -> list[Candidate]:
        return []


def hall(segmenter: FakeSegmenter | None = None) -> Hall:
    return Hall(classifier=FakeClassifier(score=0.8), segmenter=segmenter or LargeLast())


def mask_scores(document: dict[str, Any]) -> list[float]:
    return [result["score"] for result in document["result"] if result["type"] == "brushlabels"]


def test_the_score_of_a_mask_is_its_trust_and_that_of_the_prediction_the_lowest_one() -> None:
    document = hall().document(request=REVIEWED)
    assert mask_scores(document) == pytest.approx([0.8, 0.8, (1 + 25 / 100) / 2 * 0.8])
    assert document["score"] == pytest.approx(0.5)


def test_without_review_the_scores_are_sams_and_it_is_not_asked_again() -> None:
    plain, reviewed = hall(), hall()
    document = plain.document(request=SegmentAll(OPTIONS))
    assert (mask_scores(document), document["score"]) == ([0.9] * 3, pytest.approx(0.9))
    reviewed.document(request=REVIEWED)
    assert len(reviewed.segmenter.decoded) == len(plain.segmenter.decoded) + 2 * 3


def test_where_nothing_was_found_the_score_is_0_whatever_the_image_is() -> None:
    document = hall(NoMasks()).document(request=REVIEWED, xml=CONFIG_WITH_IMAGE_CHOICES)
    assert ([result["type"] for result in document["result"]], document["score"]) == (["choices"], 0)


def test_what_a_text_finds_is_scored_for_review_too() -> None:
    # the third mask looks like a dog, the others like nothing that was asked for
    fakes = Hall(classifier=FakeClassifier(score=0.8, looks=("floor", "floor", "dog")), segmenter=LargeLast())
    document = fakes.document(request=FindText(("dog",), OPTIONS, review=True))
    assert mask_scores(document) == pytest.approx([0.5])
    assert document["score"] == pytest.approx(0.5)
