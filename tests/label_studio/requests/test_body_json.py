"""Request bodies are parsed like any JSON, except that lists of numbers under "rle" stay text."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.label_studio.config import JsonTooDeep
from backend.label_studio.requests import parse_body
from tests.paths import PAYLOADS

keys = st.sampled_from(["rle", "a", 'x"rle', "rle\\", '"rle":[', "value", 'rle":[1],"b'])
texts = st.one_of(keys, st.text(alphabet='rle":[]{}\\,1 ', max_size=12))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-300, 300), st.floats(allow_nan=False, allow_infinity=False), texts
)
documents = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(keys, texts), inner, max_size=4)),
    max_leaves=20,
)


def with_lists(actual: Any, expected: Any) -> Any:
    """Return `actual` with each string parsed where `expected` has a list."""
    if isinstance(actual, str) and isinstance(expected, list):
        return json.loads(actual)
    if isinstance(actual, list) and isinstance(expected, list):
        return [with_lists(a, e) for a, e in zip(actual, expected, strict=True)]
    if isinstance(actual, dict) and isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        return {key: with_lists(actual[key], expected[key]) for key in actual}
    return actual


@given(documents)
@settings(deadline=None)
@example({"rle": [], "b": [1]})
@example({"rle": ["],", 2], "b": 1})
@example({"rle": [[1, 2], 3]})
@example({"rle": [{"rle": [1]}]})
@example({'x"rle': [1, 2], "rle": [3]})
def test_any_document_is_parsed_like_json(document: Any) -> None:
    for body in (json.dumps(document).encode(), orjson.dumps(document), json.dumps(document, indent=1).encode()):
        assert with_lists(parse_body(body), document) == document


@pytest.mark.parametrize("name", ["annotation_after_submit", "interactive_rectangle"])
def test_masks_of_recorded_documents_stay_text(name: str) -> None:
    document = json.loads((PAYLOADS / f"{name}.json").read_bytes())
    body = json.dumps(document).encode()  # as requests sends it
    lists = body.count(b'"rle": [')
    assert lists and str(parse_body(body)).count("'rle': '[") == lists
    assert with_lists(parse_body(body), document) == document


def test_the_error_of_invalid_json_has_the_position_in_the_original_body() -> None:
    with pytest.raises(orjson.JSONDecodeError, match=r"column 26 \(char 25\)"):
        parse_body(b'{"rle": [1, 2], "a": true, }')


@pytest.mark.parametrize("mask", ["[0,1]", "[0,\n1]"])  # quoted, and parsed as it is because quoting makes it invalid
def test_a_body_that_is_nested_too_deeply_is_refused_however_it_is_parsed(mask: str) -> None:
    def body(depth: int) -> bytes:
        return f'{{"rle": {mask}, "deep": {"[" * depth}{"]" * depth}}}'.encode()

    assert parse_body(body(99))["deep"]
    for depth in (100, 950):
        with pytest.raises(JsonTooDeep, match="nested more than 100 levels deep"):
            parse_body(body(depth))
