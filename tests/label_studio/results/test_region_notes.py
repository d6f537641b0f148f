"""Notes of regions: the backend's list of classes, and what a person wrote."""

from __future__ import annotations

import pytest

from backend.label_studio.results import build_note, is_own_note
from backend.label_studio.results.region_notes import parse_notes
from backend.values import ClassScore

CLASSES = {"red ring", "red circle", "cup, broken", "plate"}


def test_a_note_lists_the_classes_that_do_not_round_to_zero() -> None:
    scores = [ClassScore("red ring", 0.9712), ClassScore("red circle", 0.016), ClassScore("plate", 0.004)]
    assert build_note(scores) == "red ring 0.97, red circle 0.02"
    assert build_note([ClassScore("plate", 0.001)]) == "plate 0.00"
    assert build_note([]) == ""


def test_a_note_that_was_built_is_recognized_also_with_commas_in_names() -> None:
    scores = [ClassScore("cup, broken", 0.6), ClassScore("plate", 0.4)]
    assert is_own_note(build_note(scores), CLASSES)


@pytest.mark.parametrize("line", ["", "edge is blurred", "plate 0.5", "plate 0.50 or so", "size 0.50", "x plate 0.50"])
def test_what_a_person_wrote_is_not_taken_for_the_backends(line: str) -> None:
    assert not is_own_note(line, CLASSES)


@pytest.mark.parametrize(
    ("meta", "lines"),
    [
        ({"text": ["a", "b"]}, ("a", "b")),
        ({"text": "a"}, ("a",)),
        ({"text": ["a\n\nb", "c"]}, ("a", "b", "c")),
        ({"text": ["a", 5, ""]}, ("a",)),
        ({"text": 5}, ()),
        ({}, ()),
        ("a", ()),
        (None, ()),
    ],
)
def test_notes_are_read_in_any_form_that_is_saved(meta: object, lines: tuple[str, ...]) -> None:
    assert parse_notes({"meta": meta}) == lines
