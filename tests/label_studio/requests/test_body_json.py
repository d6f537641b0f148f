"""Bodies are read as JSON says, whatever stands in them; only lists of numbers under "rle" stay text."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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


def with_lists(found: Any, wanted: Any) -> Any:
    """`found`, with each text read as a list where the document has one."""
    if isinstance(found, str) and isinstance(wanted, list):
        return json.loads(found)
    if isinstance(found, list) and isinstance(wanted, list):
        return [with_lists(f, w) for f, w in zip(found, wanted, strict=True)]
    if isinstance(found, dict) and isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        return {key: with_lists(found[key], wanted[key]) for key in found}
    return found


@given(documents)
@settings(deadline=None)
@example({"rle": [], "b": [1]})
@example({"rle": ["],", 2], "b": 1})
@example({"rle": [[1, 2], 3]})
@example({"rle": [{"rle": [1]}]})
@example({'x"rle': [1, 2], "rle": [3]})
def test_any_document_is_read_as_json_says(document: Any) -> None:
    for body in (json.dumps(document).encode(), orjson.dumps(document), json.dumps(document, indent=1).encode()):
        assert with_lists(parse_body(body), document) == document


@pytest.mark.parametrize("name", ["annotation_after_submit", "interactive_rectangle"])
def test_masks_of_recorded_documents_stay_text(name: str) -> None:
    document = json.loads((PAYLOADS / f"{name}.json").read_bytes())
    body = json.dumps(document).encode()  # as requests sends it
    lists = body.count(b'"rle": [')
    assert lists and str(parse_body(body)).count("'rle': '[") == lists
    assert with_lists(parse_body(body), document) == document


def test_the_error_of_a_body_that_is_no_json_names_the_place_in_it_as_it_came() -> None:
    with pytest.raises(orjson.JSONDecodeError, match=r"column 26 \(char 25\)"):
        parse_body(b'{"rle": [1, 2], "a": true, }')
