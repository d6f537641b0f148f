"""What a text names among masks: words, sides, odds, and what stands out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from backend.engine import named_class, parse_text
from backend.engine.text_matching import (
    Sides,
    TextQuery,
    content_words,
    distinct_words,
    matching_masks,
    probability,
    singular,
    take_sides,
    text_log_odds,
)
from backend.errors import BadPrompt
from backend.values import ClassName

RING_CLASSES = tuple(ClassName(name) for name in ("red ring", "red star", "blue ring"))


def square(left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def sides_of(text: str, vocabulary: tuple[ClassName, ...], same: dict[str, str] | None = None):
    """The sides with words that are alike only where `same` says so."""
    query, same = parse_text(text), same or {}
    says = {
        word: np.array([same.get(one, one) == same.get(word, word) for one in query.words])
        for word in distinct_words(vocabulary)
    }
    return take_sides(query, vocabulary, says)


@pytest.mark.parametrize(
    ("plural", "expected"),
    [("cars", "car"), ("boxes", "box"), ("crosses", "cross"), ("ellipses", "ellipse"), ("berries", "berry")]
    + [(word, word) for word in ("cross", "bus", "lens", "iris", "gas", "car")]
    + [("pies", "pie")],
)
def test_plurals_lose_their_ending_and_other_words_keep_it(plural: str, expected: str) -> None:
    assert singular(plural) == expected


def test_a_text_is_read_without_article_and_plural() -> None:
    assert parse_text("  All the RED  cars. ") == TextQuery("RED car", ("red", "car"))
    assert parse_text("red things") == TextQuery("red thing", ("red",))
    assert content_words("a man with a hat, hats") == ("man", "hat", "hat")


def test_line_breaks_and_tabs_are_spaces() -> None:
    assert parse_text("red\n\tcar").spoken == "red car"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The text is empty."),
        (" \n", "The text is empty."),
        ("the things", 'The text "the things" names no object.'),
        ("?!", 'The text "?!" has no words.'),
        ("_ ♥", 'The text "_ ♥" has no words.'),
        ("car" * 100, "The text has 300 characters; the limit is 200."),
        ("red\x00car", "The text contains the unprintable character U+0000."),
        ("red \ud800", "The text contains the unprintable character U+D800."),
    ],
)
def test_a_text_that_names_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadPrompt) as refused:
        parse_text(text)
    assert refused.value.message == message
    assert refused.value.remedy.endswith("Describe the object in a few words, such as its colour and its name.")


def test_words_of_any_alphabet_are_words() -> None:
    assert parse_text("красная машина").words == ("красная", "машина")
    assert parse_text("赤い車").words == ("赤い車",)


def test_classes_that_say_all_of_the_text_speak_for_it_and_the_others_against() -> None:
    assert sides_of("red things", RING_CLASSES) == Sides(known=(0, 1), others=(2,))
    assert sides_of("the red car", RING_CLASSES) == Sides(known=(), others=(0, 1, 2))


def test_words_with_the_same_features_are_the_same_word() -> None:
    assert sides_of("donuts", RING_CLASSES).known == ()
    assert sides_of("donuts", RING_CLASSES, same={"donut": "ring"}).known == (0, 2)


def test_a_class_of_several_kinds_speaks_neither_for_nor_against_one_of_them() -> None:
    vocabulary = (ClassName("pet", ("dog", "cat")), ClassName("cls_17", ("delivery van", "red van")), ClassName("bus"))
    assert sides_of("dogs", vocabulary) == Sides(known=(), others=(1, 2))
    assert sides_of("pets", vocabulary) == Sides(known=(0,), others=(1, 2))
    assert sides_of("vans", vocabulary) == Sides(known=(1,), others=(0, 2))


def test_a_text_is_the_name_of_a_class_in_its_own_words_or_its_hints() -> None:
    vocabulary = (ClassName("cls_17", ("delivery van", "truck")), ClassName("bus"))
    assert named_class(parse_text("the delivery vans"), vocabulary) == "cls_17"
    assert named_class(parse_text("buses"), vocabulary) is None
    assert named_class(parse_text("van"), vocabulary) is None


class Directions:
    """Text features in which every name has a direction of its own."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def embed(self, names: Sequence[ClassName]) -> np.ndarray:
        self.names += [name.name for name in names if name.name not in self.names]
        return np.eye(64, dtype=np.float32)[[self.names.index(name.name) for name in names]]

    def odds(self, text: str, vocabulary: Sequence[ClassName] = ()) -> list[float]:
        """Of one mask in each direction, at scale 2: a text in its direction counts e^2, any other 1."""
        looks = np.eye(64, dtype=np.float32)[: len(self.names)]
        return list(text_log_odds(parse_text(text), vocabulary, looks, self.embed, 2.0))


def test_a_text_that_no_class_says_speaks_for_itself_against_its_parts_and_wide_words() -> None:
    """Against it are "car" and "red", and 16 wide words that count as three, so (e^2 + 15) * 3 / 16 on one of them."""
    e2 = math.exp(2)
    odds = Directions("red car", "car", "animal", "anything").odds("the red car")
    assert odds == pytest.approx(
        [math.log(e2 / 5), math.log(1 / (e2 + 4)), math.log(1 / (2 + (e2 + 15) * 3 / 16)), math.log(1 / 5)]
    )


def test_classes_that_say_the_text_stand_for_it() -> None:
    """For "red" speaks "red car"; against it "blue car" and three neutral words."""
    vocabulary = (ClassName("red car"), ClassName("blue car"))
    e2 = math.exp(2)
    odds = Directions("red car", "blue car", "object").odds("red", vocabulary)
    assert odds == pytest.approx([math.log(e2 / 4), math.log(1 / (e2 + 3)), math.log(1 / (1 + e2 + 2))])


def test_a_neutral_word_does_not_speak_against_itself() -> None:
    e2 = math.exp(2)
    assert Directions("background").odds("background") == pytest.approx([math.log(e2 / 3)])


def test_probabilities_of_huge_odds_are_0_and_1() -> None:
    assert probability(np.array([-1e4, 0.0, 1e4])) == pytest.approx([0, 0.5, 1])


def test_a_mask_less_probable_than_two_fifths_does_not_stand_out() -> None:
    masks = [square(0, 0, 8), square(20, 0, 8), square(40, 0, 8)]
    assert matching_masks(np.array([-0.41, -0.40, -9.0]), masks) == [1]  # the log-odds of 0.4 are -0.405
    assert matching_masks(np.array([-0.41, -0.42, -9.0]), masks) == []
    assert matching_masks(np.zeros(0), []) == []


def test_a_mask_far_behind_the_best_does_not_stand_out() -> None:
    masks = [square(0, 0, 8), square(20, 0, 8), square(40, 0, 8)]
    assert matching_masks(np.array([1.0, 4.5, 2.0]), masks) == [1, 2]


def test_of_two_masks_in_one_another_the_more_probable_is_taken() -> None:
    whole, part, other = square(0, 0, 20), square(2, 2, 6), square(30, 0, 6)
    assert matching_masks(np.array([1.0, 1.5, 0.5]), [whole, part, other]) == [1, 2]
    assert matching_masks(np.array([1.5, 1.0, 0.5]), [whole, part, other]) == [0, 2]
