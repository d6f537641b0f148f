"""What a text finds among automatic masks, and how often those are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.engine import EncodedImage
from backend.engine.proposal_cache import ProposalCache
from backend.engine.text_search import TextSearch
from backend.errors import BadPrompt
from backend.values import Candidate, ClassName, ProposalParameters
from tests.fakes import FakeClassifier, FakeSegmenter, encoded, png


def make(classifier: FakeClassifier | None = None) -> tuple[TextSearch, FakeSegmenter]:
    segmenter = FakeSegmenter()

    def propose(image: EncodedImage, parameters: ProposalParameters) -> list[Candidate]:
        return segmenter.propose(image.embedding, parameters)

    return TextSearch(classifier, ProposalCache(propose)), segmenter


PARAMETERS = ProposalParameters(10, 0.75, 0.75, 100, 0.7)


def test_a_text_finds_the_automatic_masks_that_it_names(caplog: pytest.LogCaptureFixture) -> None:
    search, _ = make(FakeClassifier(looks=["red car", "tree", "red car"]))
    caplog.set_level("INFO", "backend.engine.text_search")
    found = search.search(encoded(png(40, 30), "street.png"), "the red cars", PARAMETERS)
    assert [int(np.argwhere(one.candidate.mask)[0].sum()) for one in found] == [6, 26]  # (3, 3) and (13, 13)
    assert all(one.probability > 0.99 and one.candidate.score == 0.9 for one in found)
    said = 'Text "red car" on street.png: 2 of 3 masks match; best probabilities 1.00 1.00 0.17.'
    assert said in caplog.text  # 0.17 is one in six: the tree is as far from the text as from the five against it


def test_a_text_that_nothing_stands_out_for_finds_nothing() -> None:
    search, _ = make(FakeClassifier(looks=["tree"]))
    assert search.search(encoded(png(40, 30)), "the red car", PARAMETERS) == []


def test_a_class_of_the_project_that_fits_better_takes_the_mask_from_a_text() -> None:
    search, _ = make(FakeClassifier(looks=["blue car"]))
    image = encoded(png(40, 30))
    assert len(search.search(image, "blue things", PARAMETERS, [ClassName("blue car")])) == 3
    assert search.search(image, "red things", PARAMETERS, [ClassName("blue car"), ClassName("red car")]) == []


def test_a_second_text_makes_no_masks_and_looks_at_none() -> None:
    classifier = FakeClassifier(looks=["red car", "tree"])
    search, segmenter = make(classifier)
    for text in ("red car", "tree"):
        assert search.search(encoded(png(40, 30)), text, PARAMETERS)
    assert (len(segmenter.decoded), classifier.calls) == (3, [(3, 0)])
    search.search(encoded(png(40, 30)), "tree", replace(PARAMETERS, points_per_side=11))
    assert len(segmenter.decoded) == 6


def test_an_image_without_automatic_masks_answers_a_text_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    search, segmenter = make(FakeClassifier(looks=["tree"]))
    monkeypatch.setattr(segmenter, "propose", lambda embedding, parameters: [])
    assert search.search(encoded(png(40, 30)), "tree", PARAMETERS) == []


def test_without_clip_a_text_is_refused() -> None:
    search, segmenter = make()
    with pytest.raises(BadPrompt, match=r"Text prompts need a detector or CLIP\. Click the object"):
        search.search(encoded(png(40, 30)), "tree", PARAMETERS)
    assert segmenter.decoded == []
