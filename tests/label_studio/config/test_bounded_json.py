"""JSON is parsed up to a depth that Python's recursion limit is far from."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from backend.label_studio.config import JsonTooDeep, check_depth, parse_json
from backend.label_studio.config.bounded_json import MAX_DEPTH

LEVELS = {"lists": ("[", "]", 1), "objects": ('{"a":', "}", 1), "both": ('[{"a":', "}]", 2)}


def nested(kind: str, depth: int) -> str:
    opening, closing, levels = LEVELS[kind]
    return opening * (depth // levels) + "1" + closing * (depth // levels)


@pytest.mark.parametrize("kind", LEVELS)
def test_a_document_of_the_greatest_depth_is_parsed_and_can_be_printed(kind: str) -> None:
    text = nested(kind, MAX_DEPTH)
    document = parse_json(text)
    assert document == json.loads(text)
    assert str(document) == str(json.loads(text))


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("more", [2, 400, 900])
def test_a_deeper_document_is_refused(kind: str, more: int) -> None:
    with pytest.raises(JsonTooDeep) as refused:
        parse_json(nested(kind, MAX_DEPTH + more))
    assert str(refused.value) == f"nested more than {MAX_DEPTH} levels deep"


def test_the_deepest_branch_counts_wherever_it_is() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    assert check_depth([0, {"a": 1}, deep]) == [0, {"a": 1}, deep]
    with pytest.raises(JsonTooDeep):
        check_depth([0, {"a": [deep]}, 1])


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e999", r'"\ud800"', r'{"\udfff": 1}', "[" * 5000, ""])
def test_what_no_reply_could_hold_is_refused(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        parse_json(text)


@pytest.mark.parametrize("text", ["1", '"a"', "null", "[]", "{}"])
def test_a_document_without_nesting_is_parsed(text: str) -> None:
    assert parse_json(text) == json.loads(text)
