"""Export files of Label Studio, split task by task."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.bulk import read_task_file
from backend.errors import ExportError
from tests.bulk.annotated import annotation, block, brush, read, task

TASKS = [task(number, annotation(brush(block(2, 2, 6, 6)), number=number)) for number in (1, 2, 3)]
REMEDY = "Export the project in Label Studio as JSON (not JSON_MIN, CSV or COCO), and name that file."


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "export.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n  "])
def test_a_files_tasks_come_as_they_are(tmp_path: Path, indent: int | None, start: bytes) -> None:
    path = write(tmp_path, start + json.dumps(TASKS, indent=indent).encode())
    assert list(read_task_file(path)) == TASKS
    assert [image.task_id for image in read(*read_task_file(path)).images] == [1, 2, 3]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # half a surrogate pair cannot be written to a file in UTF-8
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_comes_as_the_standard_library_reads_it(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = write(tmp_path_factory.mktemp("file"), json.dumps([{"data": {"value": value}}]))
    (read_back,) = read_task_file(path)
    expected = json.loads(path.read_text())[0]
    assert read_back == expected
    assert repr(read_back) == repr(expected)  # 1 and 1.0 are equal, and numbers are no Decimals


def test_half_a_surrogate_pair_which_orjson_refuses_is_read_all_the_same(tmp_path: Path) -> None:
    (read_back,) = read_task_file(write(tmp_path, '[{"data": {"text": "\\ud800"}}]'))
    assert read_back == {"data": {"text": "\ud800"}}


@pytest.mark.parametrize(
    ("cut", "place"),
    [(10, "its start (0 tasks)"), (len(json.dumps(TASKS[:2])) + 20, "task 2 (2 tasks)"), (-1, "task 3 (3 tasks)")],
)
def test_a_file_that_ends_too_early_is_named_with_the_last_task(tmp_path: Path, cut: int, place: str) -> None:
    path = write(tmp_path, json.dumps(TASKS)[:cut])
    with pytest.raises(ExportError) as caught:
        list(read_task_file(path))
    assert caught.value.message.startswith(f"{path} cannot be read any further after {place}: ")
    assert "interrupted" in caught.value.remedy


def test_damage_inside_a_file_is_named_with_the_task_before_it(tmp_path: Path) -> None:
    text = json.dumps(TASKS).replace('"id": 3, "data"', '"id": 3 "data"')
    with pytest.raises(ExportError) as caught:
        list(read_task_file(write(tmp_path, text)))
    assert "after task 2 (2 tasks)" in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty."),
        ('{"images": [], "annotations": []}', "is one JSON object, such as a COCO file, and not a list of tasks."),
        ("id,image", "begins with 'id,image' and is no JSON."),
        (json.dumps([{"image": "/a.png", "id": 1, "annotator": 1, "annotation_id": 3}]), "is a JSON_MIN export, which"),
        ('[{"image": "/a.png"}]', "is not a task; it has the keys image."),
    ],
)
def test_a_file_that_is_no_json_export_is_refused_with_what_it_is(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        list(read_task_file(write(tmp_path, content)))
    assert message in caught.value.message
    assert caught.value.remedy == REMEDY


@pytest.mark.parametrize("damage", ["[5]", '[{"data": {}}, 5]', '[{"data": {}} {"data": {}}]', '[{"data": {]}]'])
def test_what_is_no_list_of_tasks_is_refused(tmp_path: Path, damage: str) -> None:
    with pytest.raises(ExportError, match="cannot be read any further after"):
        list(read_task_file(write(tmp_path, damage)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"export\.json cannot be read: No such file or directory\."):
        list(read_task_file(tmp_path / "export.json"))


def test_an_empty_list_has_no_tasks(tmp_path: Path) -> None:
    assert list(read_task_file(write(tmp_path, "[]"))) == []


def test_a_file_takes_the_memory_of_a_task(tmp_path: Path) -> None:
    """Two hundred tasks of 20,480 numbers are 19 MB of text, and 33 MB of objects if all are held."""
    document = json.dumps(task(1, {"id": 1, "result": [{"rle": list(range(256)) * 80}]}))
    path = write(tmp_path, "[" + ",".join([document] * 200) + "]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_task_file(path)) == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
