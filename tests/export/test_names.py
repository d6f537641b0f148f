"""Names of files beside a picture: never the same for two pictures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.export.names import UniqueStems


def test_an_ending_is_replaced_without_a_collision() -> None:
    stems = UniqueStems()
    names = ("a.png", "a.jpg", "a.jpg", "a.jpg", "b", "b", "b", "a-jpg.png", "c.tar.gz")
    assert [stems.take(name) for name in names] == [
        *("a", "a-jpg", "a-jpg-2", "a-jpg-3"),
        *("b", "b-2", "b-3"),
        *("a-jpg-png", "c.tar"),
    ]


def test_names_that_are_one_file_on_some_disks_get_two_stems() -> None:
    stems = UniqueStems()
    assert [stems.take(name) for name in ("A.png", "a.jpg", "é.png", "e\u0301.bmp")] == [
        "A",
        "a-jpg",
        "é",
        "e\u0301-bmp",
    ]


@given(st.lists(st.text("aA-2.", min_size=1, max_size=5).filter(lambda name: name.strip("."))))
def test_no_two_names_get_the_same_stem(names: list[str]) -> None:
    stems = UniqueStems()
    taken = [stems.take(name).casefold() for name in names]
    assert len(set(taken)) == len(names)
