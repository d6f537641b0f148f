"""Search by text with a detector: its boxes become masks of the segmenter, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import pytest

from backend.engine import ImageLabeler, detect_queued
from backend.engine.box_search import BoxSearch
from backend.errors import BadPrompt, Overloaded
from backend.runtime import Deadline, PriorityExecutor
from backend.values import Candidate, ImageEmbedding, Priority, Prompt, ProposalOptions
from tests.fakes import OPTIONS, FakeClassifier, FakeDetector, FakeSegmenter, encoded, png

CAT, DOG, TINY = (2.0, 3.0, 12.0, 9.0), (20.0, 10.0, 30.0, 25.0), (5.0, 5.0, 5.0, 5.0)


class CountingSegmenter(FakeSegmenter):
    """Notes how many prompts are decoded at once."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
        self.batches.append(len(prompts))
        return super().decode_many(embedding, prompts)


def test_all_boxes_of_all_texts_become_masks_in_one_batch_with_their_text_and_score() -> None:
    segmenter, detector = CountingSegmenter(), FakeDetector({"cat": [(CAT, 0.4), (TINY, 0.9)], "red dog": [(DOG, 0.8)]})
    found = BoxSearch(detector, segmenter).search(encoded(png(40, 30)), ["the cats", "a red dog"])
    assert [(one.text, one.probability, int(one.candidate.mask.sum())) for one in found] == [
        ("a red dog", 0.8, 10 * 15),
        ("the cats", 0.4, 10 * 6),  # the box without a pixel has an empty mask and is dropped
    ]
    assert (detector.calls, segmenter.batches) == ([("cat", "red dog")], [3])


def test_parts_of_a_mask_outside_the_box_are_removed() -> None:
    class Spilling(FakeSegmenter):
        def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
            candidates = super().decode_many(embedding, prompts)
            for candidate in candidates:
                candidate.mask[20:30, 30:40] = True
            return candidates

    detector = FakeDetector({"cat": [(CAT, 0.4)]})
    (found,) = BoxSearch(detector, Spilling()).search(encoded(png(40, 30)), ["cat"])
    assert int(found.candidate.mask.sum()) == 10 * 6


def test_the_boxes_of_an_image_are_kept_for_the_same_texts() -> None:
    detector = FakeDetector({"cat": [(CAT, 0.4)]})
    search, image = BoxSearch(detector, FakeSegmenter()), encoded(png(40, 30))
    search.detect(image.image, ["cat"])
    assert len(search.search(image, ["a cat"])) == 1
    search.search(encoded(png(40, 30, (9, 9, 9))), ["cat"])
    search.search(image, ["dog"])
    assert detector.calls == [("cat",), ("cat",), ("dog",)]


def test_of_two_texts_that_say_the_same_the_first_counts() -> None:
    detector = FakeDetector({"cat": [(CAT, 0.4)]})
    (found,) = BoxSearch(detector, FakeSegmenter()).search(encoded(png(40, 30)), ["the cat", "cats"])
    assert (found.text, detector.calls) == ("the cat", [("cat",)])


def test_with_a_detector_clip_is_not_asked_and_no_automatic_masks_are_made() -> None:
    classifier, segmenter = FakeClassifier(looks=["cat"]), FakeSegmenter()
    labeler = ImageLabeler(segmenter, classifier, FakeDetector({"cat": [(CAT, 0.4)]}))
    assert labeler.can_search
    assert len(labeler.search_all(encoded(png(40, 30)), ["cat"], OPTIONS)) == 1
    assert (classifier.calls, len(segmenter.decoded)) == ([], 1)


def test_without_clip_the_detector_searches_and_without_both_nothing_does() -> None:
    image, options = encoded(png(40, 30)), ProposalOptions(4, 0.5, 0.5, 10, 0.7)
    labeler = ImageLabeler(FakeSegmenter(), None, FakeDetector({"cat": [(CAT, 0.4)]}))
    assert (labeler.can_search, labeler.can_classify) == (True, False)
    assert len(labeler.search_all(image, ["cat"], options)) == 1
    blind = ImageLabeler(FakeSegmenter(), None)
    assert not blind.can_search
    with pytest.raises(BadPrompt, match="Text prompts need a detector or CLIP"):
        blind.search_all(image, ["cat"], options)


def test_a_text_that_the_detector_cannot_read_is_refused_before_it_is_queued() -> None:
    labeler = ImageLabeler(FakeSegmenter(), None, FakeDetector({}, unreadable=["very long"]))
    image = encoded(png(40, 30)).image
    with closing(PriorityExecutor(1)) as executor:
        for text, said in (("very long", "too many tokens"), ("the", "names no object"), ("", "is empty")):
            with pytest.raises(BadPrompt, match=said):
                labeler.check_text(text)
            with pytest.raises(BadPrompt, match=said):
                detect_queued(labeler, executor, image, [text], Priority.CLICK)


def test_detection_waits_for_its_turn_no_longer_than_the_deadline() -> None:
    detector = FakeDetector({"cat": [(CAT, 0.4)]})
    labeler, image = ImageLabeler(FakeSegmenter(), None, detector), encoded(png(40, 30)).image
    with closing(PriorityExecutor(1)) as executor:
        with pytest.raises(Overloaded):
            detect_queued(labeler, executor, image, ["cat"], Priority.CLICK, Deadline.after(-1))
        detect_queued(labeler, executor, image, (), Priority.CLICK)
        assert detector.calls == []
        detect_queued(labeler, executor, image, ["cat"], Priority.CLICK)
    assert detector.calls == [("cat",)]
