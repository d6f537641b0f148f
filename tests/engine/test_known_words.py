"""What a classifier of few words can read."""

from __future__ import annotations

import pytest

from backend.engine.known_words import KnownWords
from backend.engine.text_matching import parse_text
from backend.models.registry import find_classifier
from backend.values import ClassName
from scripts.demo_world.captions import SYNONYMS
from scripts.demo_world.scenes import BACKGROUNDS, CLASS_NAMES, COLOURS, SHAPES

DEMO = KnownWords(find_classifier("demo-clip").lexicon)


def test_the_demo_clip_knows_exactly_the_words_of_its_captions() -> None:
    lexicon = find_classifier("demo-clip").lexicon
    assert lexicon is not None
    others = {name for names in SYNONYMS.values() for name in names}
    assert lexicon.words == {*COLOURS, *SHAPES, *BACKGROUNDS, *others, "background"}
    assert not DEMO.unknown_words(parse_text(lexicon.example), [])


@pytest.mark.parametrize("names", [CLASS_NAMES, BACKGROUNDS, COLOURS, ("a red donut", "all the blue moons")])
def test_the_demo_clip_can_read_the_classes_of_its_world(names: tuple[str, ...]) -> None:
    assert DEMO.knows([ClassName(name) for name in names])


@pytest.mark.parametrize(
    "class_name",
    [
        ClassName("coffee cup"),
        ClassName("red cup"),
        ClassName("circle", ("circle", "wheel")),  # one of the words that are read instead
        ClassName("object"),  # says nothing
    ],
)
def test_one_class_that_it_cannot_read_makes_a_vocabulary_unknown(class_name: ClassName) -> None:
    assert not DEMO.knows([ClassName("red ring"), class_name])
    assert DEMO.known_classes([ClassName("red ring"), class_name]) == [ClassName("red ring")]


def test_words_that_are_read_instead_of_the_name_count() -> None:
    assert DEMO.knows([ClassName("stop sign", ("red circle",)), ClassName("tyre", ("ring", "donut"))])


@pytest.mark.parametrize(
    ("text", "unknown"),
    [("the red ring", ()), ("red things", ()), ("two red cars", ("two", "car")), ("tyres", ("tyre",))],
)
def test_the_unknown_words_of_a_text_are_named(text: str, unknown: tuple[str, ...]) -> None:
    assert DEMO.unknown_words(parse_text(text), []) == unknown


def test_a_text_that_names_a_class_with_known_synonyms_is_known() -> None:
    assert DEMO.unknown_words(parse_text("the tyres"), [ClassName("tyre", ("ring",))]) == ()
    assert DEMO.unknown_words(parse_text("the tyres"), [ClassName("tyre")]) == ("tyre",)


def test_other_classifiers_can_read_anything() -> None:
    anything = KnownWords(find_classifier("ViT-B-32").lexicon)
    assert anything.knows([ClassName("coffee cup"), ClassName("object")])
    assert anything.known_classes([ClassName("coffee cup")]) == [ClassName("coffee cup")]
    assert anything.unknown_words(parse_text("the red car"), []) == ()
