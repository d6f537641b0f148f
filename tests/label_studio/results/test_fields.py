"""Fields of results: which sizes are sizes, and what a value is called in a message."""

from __future__ import annotations

from typing import Any

import pytest

from backend.bulk.annotation_reader import read_size
from backend.label_studio.results import drawn_size_of, json_type_of
from backend.values import Size


def drawn(width: Any, height: Any = 480) -> dict[str, Any]:
    return {"original_width": width, "original_height": height}


@pytest.mark.parametrize("width", [640, 640.0])
def test_a_whole_number_is_a_side(width: float) -> None:
    size = drawn_size_of(drawn(width))
    assert size == Size(640, 480)
    assert type(size.width) is int


def test_the_smallest_image_has_one_pixel() -> None:
    assert drawn_size_of(drawn(1, 1.0)) == Size(1, 1)


@pytest.mark.parametrize(
    "side",
    [None, True, False, 0, -4, 0.0, 0.5, 6.5, -1.0, "640", [640], float("nan"), float("inf"), 65_536, 1e308, 10**400],
)
def test_anything_else_is_no_side(side: Any) -> None:
    assert drawn_size_of(drawn(side)) is None
    assert drawn_size_of(drawn(640, side)) is None


def test_a_size_whose_mask_would_not_fit_into_memory_is_none() -> None:
    assert drawn_size_of(drawn(65_535, 16_384)) == Size(65_535, 16_384)
    assert drawn_size_of(drawn(65_535, 16_385)) is None


def test_a_result_without_a_size_has_none() -> None:
    assert drawn_size_of({}) is None


def test_an_export_takes_the_size_from_the_first_result_that_has_one() -> None:
    assert read_size([{}, drawn(True), drawn(640.0), drawn(32)]) == Size(640, 480)
    assert read_size([{}, drawn(True)]) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "missing"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("x", "a string"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_a_value_is_named_by_its_json_type(value: Any, name: str) -> None:
    assert json_type_of(value) == name
