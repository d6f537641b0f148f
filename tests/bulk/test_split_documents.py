"""A list is split into its objects as `json` reads them, wherever its blocks end."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.bulk.split_documents import split_documents
from backend.errors import ExportError

texts = st.text(st.sampled_from('a{}[]",:\\ é\n'), max_size=12)
values = st.recursive(
    st.none() | st.integers(-300, 300) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
documents = st.lists(st.dictionaries(texts, values, max_size=3), max_size=4)


@given(documents, st.integers(1, 50), st.sampled_from([None, 0, 2]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_list_of_objects_is_split_as_json_reads_it(
    tasks: list[dict[str, Any]], block_bytes: int, indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps(tasks, indent=indent, ensure_ascii=is_ascii).encode()
    assert [json.loads(part) for part in split_documents(io.BytesIO(text), block_bytes)] == tasks


@given(documents, st.data())
@settings(deadline=None, max_examples=60)
def test_a_file_that_is_cut_anywhere_is_refused_after_its_whole_tasks(
    tasks: list[dict[str, Any]], data: st.DataObject
) -> None:
    text = json.dumps(tasks).encode()
    length = data.draw(st.integers(0, len(text) - 1))
    read = []
    with pytest.raises(ExportError, match=r"in the middle of its list|is not a JSON list"):
        for part in split_documents(io.BytesIO(text[:length]), 8):
            read.append(json.loads(part))  # what was read before the end counts
    assert read == tasks[: len(read)]
    assert len(read) == sum(length >= len(json.dumps(tasks[: number + 1])) - 1 for number in range(len(tasks)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": 1}', "is not a JSON list, but begins with "),
        ("", "is not a JSON list"),
        ("[1, 2]", "At the start of the list there is .*1, 2.* instead of a task"),
        ('[1, {"id": 1}]', "At the start of the list there is .*1,.* instead of a task"),
        ('[{"id": 1} {"id": 2}]', "After task 1 there is .* instead of a task"),
        ('[{"id": 1}, 2, {"id": 2}]', "After task 1 there is .*, 2,.* instead of a task"),
        ('[{"id": 1}] x', "After task 1 there is .*x.* instead of a task"),
        ('[{"id": 1}, {"id": 2', "ends after 1 tasks, in the middle"),
    ],
)
def test_what_is_not_a_list_of_objects_is_refused_by_its_number(text: str, message: str) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        list(split_documents(io.BytesIO(text.encode())))
    assert "as JSON" in caught.value.remedy


def test_a_byte_order_mark_is_skipped() -> None:
    assert list(split_documents(io.BytesIO('\ufeff [{"id": 1}]\n'.encode()))) == [b'{"id": 1}']


def test_a_task_is_read_before_the_next_one_is_looked_at() -> None:
    """So that one task at a time is in memory: the file is read no further than the block that holds the task."""
    file = io.BytesIO(json.dumps([{"id": number, "text": "x" * 1000} for number in range(1000)]).encode())
    next(split_documents(file, 4096))
    assert file.tell() == 4096
