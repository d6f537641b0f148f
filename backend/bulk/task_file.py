"""Tasks of a JSON export of Label Studio, read from a file one by one: a file of gigabytes takes the memory of a task.

The file is a list of tasks: `[{"id": 7, "data": {"image": "…"}, "annotations": [{"id": 3, "result": […]}], …}, …]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from backend.bulk.split_documents import split_documents
from backend.errors import ExportError, shorten

Json = dict[str, Any]
START_BYTES = 4096
BOM = b"\xef\xbb\xbf"
EXPORT_REMEDY = "Export the project in Label Studio as JSON (not JSON_MIN, CSV or COCO), and name that file."
AGAIN_REMEDY = "Export the project in Label Studio again; the file is damaged, or its download was interrupted."


def read_task_file(path: Path) -> Iterator[Json]:
    """Yield the tasks of a file in their order.

    Raises:
        ExportError: The file cannot be read, is no JSON export of Label Studio, is damaged or ends too early.
    """
    try:
        with path.open("rb") as source:
            _check_start(path, source)
            yield from _split(path, source)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise ExportError(message, remedy="Check the name that --file gives.") from error


def _split(path: Path, source: BinaryIO) -> Iterator[Json]:
    count, last = 0, "its start"
    try:
        for text in _texts(source):
            task = _parse(text)
            count += 1
            _check_task(path, count, task)
            yield task
            last = f"task {shorten(task.get('id'))}"
    except _Damaged as error:
        message = f"{path} cannot be read any further after {last} ({count} tasks): {error}"
        raise ExportError(message, remedy=AGAIN_REMEDY) from error


class _Damaged(Exception):
    """A text that is no JSON, or a list that does not end."""


def _texts(source: BinaryIO) -> Iterator[bytes]:
    try:
        yield from split_documents(source)
    except ExportError as error:
        raise _Damaged(error.message) from error


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text)  # takes half a surrogate pair, NaN and deeper lists than orjson
    except (ValueError, RecursionError) as error:
        raise _Damaged(f"a task is no JSON ({shorten(error)}).") from error


def _check_start(path: Path, source: BinaryIO) -> None:
    """Raise unless the file begins with a list."""
    start = source.read(START_BYTES)
    source.seek(0)
    text = start.removeprefix(BOM).lstrip()
    if not text.startswith(b"["):
        if not text:
            what = "is empty"
        elif text.startswith(b"{"):
            what = "is one JSON object, such as a COCO file, and not a list of tasks"
        else:
            what = f"begins with {shorten(text[:20].decode(errors='replace'))!r} and is no JSON"
        raise ExportError(f"{path} {what}.", remedy=EXPORT_REMEDY)


def _check_task(path: Path, number: int, task: Json) -> None:
    if isinstance(task.get("data"), dict) or "annotations" in task:
        return
    if "annotation_id" in task or "annotator" in task:
        what = "JSON_MIN export, which has neither the ids of regions nor all annotations of a task"
        raise ExportError(f"{path} is a {what}.", remedy=EXPORT_REMEDY)
    keys = shorten(", ".join(map(str, task)))
    raise ExportError(f"Item {number} of {path} is not a task; it has the keys {keys}.", remedy=EXPORT_REMEDY)
