"""Words that compete with the classes; the probabilities are made up, what follows from them is read off."""

from __future__ import annotations

from dataclasses import replace

from backend.engine import ImageLabeler, segment_image, with_background
from backend.engine.background import take_background
from backend.values import ClassName, ClassScore
from tests.fakes import OPTIONS, FakeSegmenter, ScoredClassifier, encoded, png

CLASSES = (ClassName("car"), ClassName("bus"), ClassName("other"))


def scores(**by_name: float) -> tuple[ClassScore, ...]:
    """Best first; a name that begins with an underscore is a word."""
    best_first = sorted(by_name.items(), key=lambda item: -item[1])
    return tuple(ClassScore(name.replace("_", "\0"), score) for name, score in best_first)


def test_words_are_asked_beside_the_classes_and_are_none_of_them() -> None:
    asked = with_background(CLASSES, ["wall", "car"])
    assert asked[:3] == CLASSES
    assert [name.synonyms for name in asked[3:]] == [("wall",), ("car",)]
    assert len({name.name for name in asked}) == 5
    assert with_background(CLASSES, ()) is CLASSES


def test_a_mask_is_background_if_a_word_is_more_probable_than_every_class() -> None:
    assert take_background(scores(car=0.5, bus=0.1, _wall=0.4), CLASSES, "") == (scores(car=0.5, bus=0.1), False)
    assert take_background(scores(car=0.4, bus=0.1, _wall=0.5), CLASSES, "") == (scores(car=0.4, bus=0.1), True)
    assert take_background(scores(_sky=0.2, _wall=0.8), CLASSES, "") == ((), True)
    assert take_background((), CLASSES, "") == ((), False)  # CLIP did not look


def test_with_a_class_for_the_background_the_best_word_speaks_for_it() -> None:
    mixed = scores(car=0.3, other=0.1, _wall=0.35, _sky=0.25)
    assert take_background(mixed, CLASSES, "other") == (scores(other=0.35, car=0.3), False)
    assert take_background(scores(car=0.6, _wall=0.4), CLASSES, "other") == (scores(car=0.6, other=0.4), False)
    assert take_background(scores(other=0.6, _wall=0.4), CLASSES, "other") == (scores(other=0.6), False)
    assert take_background(mixed, CLASSES[:2], "other")[1]  # another vocabulary, which does not have it


def test_masks_that_a_word_wins_are_dropped_or_get_the_label() -> None:
    image = encoded(png(40, 30))
    labeler = ImageLabeler(FakeSegmenter(), ScoredClassifier({"wall": 0.6, "car": 0.3, "other": 0.1}), top_k=2)
    assert len(segment_image(labeler, image, OPTIONS, [CLASSES])) == 3
    dropping = replace(OPTIONS, background_words=("wall", "sky"))
    assert segment_image(labeler, image, dropping, [CLASSES]) == []
    labeling = replace(dropping, background_label="other")
    for region in segment_image(labeler, image, labeling, [CLASSES]):
        assert region.class_scores == (scores(other=0.6, car=0.3),)


def test_words_that_lose_do_not_push_classes_out_of_the_list() -> None:
    words = tuple(f"word {number}" for number in range(5))
    by_name = {"car": 0.3, "bus": 0.05, **dict.fromkeys(words, 0.13)}
    labeler = ImageLabeler(FakeSegmenter(), ScoredClassifier(by_name), top_k=2)
    options = replace(OPTIONS, background_words=words)
    for region in segment_image(labeler, encoded(png(40, 30)), options, [CLASSES]):
        assert region.class_scores == (scores(car=0.3, bus=0.05),)
