"""What came from outside, in one line."""

from __future__ import annotations

import pytest

from backend.server.log_text import one_line, reason_phrase


def test_what_no_log_can_show_is_escaped() -> None:
    assert one_line("a\r\nforged line\x00\x7f\u2028") == r"a\r\nforged line\x00\x7f\u2028"


def test_words_of_any_alphabet_stay_as_they_are() -> None:
    assert one_line("ключ “赤い車”") == "ключ “赤い車”"


def test_six_hundred_characters_are_shown_and_no_more() -> None:
    assert one_line("x" * 600) == "x" * 600
    assert one_line("x" * 601) == "x" * 599 + "…"


def test_a_reason_phrase_says_what_is_wrong_and_what_to_do() -> None:
    assert reason_phrase("It is broken.", "Mend it.") == "It is broken. Mend it."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("“4×3”, it’s…", '"4x3", it\'s...'),
        ("a → b", "a -&gt; b"),
        ("ключ", "????"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_a_reason_phrase_is_ascii_without_tags(message: str, shown: str) -> None:
    assert reason_phrase(message, message) == f"{shown} {shown}"


def test_a_long_message_is_cut_before_the_remedy_is() -> None:
    assert reason_phrase("x" * 5000, "Mend it.") == "x" * 588 + "... Mend it."  # 588 + 3 + 1 + 8 is 600


def test_a_long_remedy_takes_no_more_than_half() -> None:
    assert reason_phrase("x" * 5000, "y" * 5000) == "x" * 296 + "... " + "y" * 300


def test_characters_that_grow_when_they_are_escaped_do_not_lengthen_a_reason_phrase() -> None:
    assert reason_phrase("It is broken.", "<" * 5000) == "... " + "&lt;" * 149  # 4 + 596 is 600
