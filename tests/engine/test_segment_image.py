"""Segmenting and classifying as two stages: the answer of one image alone, in one batch of CLIP for several."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from backend.engine import ImageLabeler, classify_crops, classify_many, keep_probable, segment, segment_image
from backend.values import Candidate, ClassName, ClassScore, ProposalOptions, Region
from tests.fakes import OPTIONS, FakeClassifier, FakeSegmenter, encoded, png

CATS = (ClassName("cat"), ClassName("dog"))
COLOURS = (ClassName("black"), ClassName("white"))


def make(classifier: FakeClassifier | None = None) -> ImageLabeler:
    return ImageLabeler(FakeSegmenter(), classifier, top_k=2)


def test_the_masks_of_several_images_are_one_batch_and_each_image_gets_its_own_back() -> None:
    classifier = FakeClassifier()
    labeler, images = make(classifier), [encoded(png(40, 30)), encoded(png(60, 20)), encoded(png(30, 30))]
    found = [segment(labeler, image, OPTIONS) for image in images]
    found[1] = []
    pairs = [(image.image, candidates) for image, candidates in zip(images, found, strict=True)]
    regions = classify_many(labeler, pairs, [CATS, COLOURS])
    assert [len(of_image) for of_image in regions] == [3, 0, 3]
    assert classifier.calls == [(6, 2)]
    for of_image, candidates in zip(regions, found, strict=True):
        assert all(region.mask is candidate.mask for region, candidate in zip(of_image, candidates, strict=True))
    assert [[scores[0].name for scores in region.class_scores] for region in regions[2]] == [["cat", "black"]] * 3


def test_the_stages_give_what_segmenting_the_image_in_one_call_gives() -> None:
    labeler, image = make(FakeClassifier()), encoded(png(40, 30))
    options = replace(OPTIONS, score_threshold=0.5, max_masks=2)
    candidates = segment(labeler, image, options)
    crops = pickle.loads(pickle.dumps(labeler.crop_masks(image.image, [one.mask for one in candidates], [CATS])))
    (regions,) = classify_crops(labeler, [(candidates, crops)], [CATS])
    kept, at_once = keep_probable(regions, options), segment_image(labeler, image, options, [CATS])
    assert len(kept) == len(at_once) == 2
    for one, other in zip(kept, at_once, strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert (one.score, one.class_scores) == (other.score, other.class_scores)


def test_clip_looks_only_at_the_masks_that_can_be_kept() -> None:
    image = encoded(png(40, 30))
    looked_at = []
    for threshold in (0.0, 0.5):
        classifier = FakeClassifier()
        options = replace(OPTIONS, score_threshold=threshold, max_masks=1)
        assert len(segment_image(make(classifier), image, options, [CATS])) == 1
        looked_at.append(classifier.calls)
    assert looked_at == [[(1, 1)], [(3, 1)]]  # with a threshold the second may take the place of the first


def test_without_clip_or_masks_there_is_nothing_to_crop_and_nothing_to_ask() -> None:
    image = encoded(png(40, 30))
    (regions,) = classify_many(make(), [(image.image, segment(make(), image, OPTIONS))], [CATS])
    assert [region.class_scores for region in regions] == [((),)] * 3
    classifier = FakeClassifier()
    assert classify_many(make(classifier), [(image.image, []), (image.image, [])], [CATS]) == [[], []]
    assert classify_many(make(classifier), [], [CATS]) == []
    assert classifier.calls == []


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, [0, 1, 2]), (0.5, [0, 2]), (0.61, [0])])
def test_masks_whose_best_class_is_less_probable_are_dropped(threshold: float, kept: list[int]) -> None:
    masks = [Candidate(np.ones((2, 2), bool), score) for score in (0.9, 0.8, 0.7)]
    regions = [
        Region(candidate.mask, candidate.score, ((ClassScore("cat", probability),),))
        for candidate, probability in zip(masks, (0.9, 0.4, 0.6), strict=True)
    ]
    options = ProposalOptions(4, 0.5, 0.5, 10, 0.7, score_threshold=threshold)
    assert keep_probable(regions, options) == [regions[place] for place in kept]
