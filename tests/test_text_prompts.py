"""What a text names among masks: words, sides, odds, and what stands out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.errors import BadPrompt
from backend.text_prompts import (
    TextQuery,
    content_words,
    distinct_words,
    named_class,
    parse_text,
    probability,
    singular,
    standing_out,
    take_sides,
    text_log_odds,
)
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
        ("the things", 'The text "the things" names nothing.'),
        ("?!", 'The text "?!" names nothing.'),
        ("car" * 100, "The text has 300 characters, more than the 200 that are read."),
        ("red\x00car", "The text has the character U+0000, which nobody can read."),
        ("red \ud800", "The text has the character U+D800, which nobody can read."),
    ],
)
def test_a_text_that_names_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadPrompt) as refused:
        parse_text(text)
    assert refused.value.message == message
    assert 'as "the red car"' in refused.value.remedy


def test_words_of_any_alphabet_are_words() -> None:
    assert parse_text("красная машина").words == ("красная", "машина")
    assert parse_text("赤い車").words == ("赤い車",)


def test_classes_that_say_all_of_the_text_speak_for_it() -> None:
    sides = sides_of("red things", RING_CLASSES)
    assert sides.known == (0, 1)
    assert sides.against == ()


def test_a_word_left_out_speaks_against_a_text_that_no_class_says() -> None:
    assert sides_of("the red car", RING_CLASSES) == sides_of("red car", ())
    assert sides_of("the red car", ()).against == ("car", "red")
    assert sides_of("the red ring", RING_CLASSES).against == ()


def test_words_with_the_same_features_are_the_same_word() -> None:
    assert sides_of("donuts", RING_CLASSES).known == ()
    assert sides_of("donuts", RING_CLASSES, same={"donut": "ring"}).known == (0, 2)


def test_a_synonym_of_a_class_is_its_name_too() -> None:
    vocabulary = (ClassName("cls_17", ("delivery van", "truck")), ClassName("bus"))
    assert sides_of("trucks", vocabulary).known == (0,)
    assert named_class(parse_text("the delivery vans"), vocabulary) == "cls_17"
    assert named_class(parse_text("van"), vocabulary) is None


def test_a_neutral_word_does_not_speak_against_itself() -> None:
    axes = {"object": 0, "background": 1, "texture": 2}

    def embed(names):
        return np.eye(3, dtype=np.float32)[[axes[name.name] for name in names]]

    odds = text_log_odds(parse_text("background"), (), np.eye(3, dtype=np.float32)[1:2], embed, 2.0)
    assert odds == pytest.approx([math.log(math.exp(2) / 2)])


def test_log_odds_are_those_of_a_softmax_over_both_sides() -> None:
    """Hand arithmetic: cosines 1, 0 and 0 at scale 2 give e^2 : (1 + 1 + 1)."""
    axes = {"ring": 0, "object": 1, "background": 2, "texture": 3}

    def embed(names):
        return np.eye(4, dtype=np.float32)[[axes[name.name] for name in names]]

    odds = text_log_odds(parse_text("ring"), (), np.eye(4, dtype=np.float32)[:2], embed, 2.0)
    assert odds[0] == pytest.approx(math.log(math.exp(2) / 3))
    assert odds[1] == pytest.approx(math.log(1 / (math.exp(2) + 2)))


def test_a_class_that_says_the_text_is_added_to_it_and_the_others_to_the_rest() -> None:
    axes = {"red": 0, "car": 1, "red car": 2, "blue car": 3, "blue": 4, "object": 5, "background": 6, "texture": 7}

    def embed(names):
        return np.eye(8, dtype=np.float32)[[axes[name.name] for name in names]]

    vocabulary = (ClassName("red car"), ClassName("blue car"))
    odds = text_log_odds(parse_text("red"), vocabulary, np.eye(8, dtype=np.float32)[[2, 3]], embed, 2.0)
    assert odds == pytest.approx([math.log((1 + math.exp(2)) / 4), math.log(2 / (3 + math.exp(2)))])


def test_probabilities_of_huge_odds_are_0_and_1() -> None:
    assert probability(np.array([-1e4, 0.0, 1e4])) == pytest.approx([0, 0.5, 1])


def test_a_mask_less_probable_than_a_half_does_not_stand_out() -> None:
    masks = [square(0, 0, 8), square(20, 0, 8), square(40, 0, 8)]
    assert standing_out(np.array([-0.1, 0.1, -9.0]), masks) == [1]
    assert standing_out(np.array([-0.1, -0.2, -9.0]), masks) == []
    assert standing_out(np.zeros(0), []) == []


def test_a_mask_far_behind_the_best_does_not_stand_out() -> None:
    masks = [square(0, 0, 8), square(20, 0, 8), square(40, 0, 8)]
    assert standing_out(np.array([1.0, 4.5, 2.0]), masks) == [1, 2]


def test_of_two_masks_in_one_another_the_more_probable_is_taken() -> None:
    whole, part, other = square(0, 0, 20), square(2, 2, 6), square(30, 0, 6)
    assert standing_out(np.array([1.0, 1.5, 0.5]), [whole, part, other]) == [1, 2]
    assert standing_out(np.array([1.5, 1.0, 0.5]), [whole, part, other]) == [0, 2]
