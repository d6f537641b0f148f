"""NaN and Infinity in JSON, which Python's `json` writes unless it is told not to, and which JSON does not have."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from backend.errors import shorten

NUMBERS_REMEDY = (
    "Write a number there, or leave the field out. Such values come from empty cells of a table or a division by zero; "
    "in Python json.dump(…, allow_nan=False) refuses to write them."
)
_NOUNS = {"images": "image", "annotations": "annotation", "categories": "category"}


def describe_non_numbers(content: bytes) -> str:
    """Name the first value of a JSON file that is NaN or infinite, and how many more there are.

    A number beyond the range of a double, such as 1e999, is infinite.

    Returns:
        Such as `annotation 7 has NaN in bbox[2]`; "" if there is none, or if the file is no JSON for another reason.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    places = list(_find(document))
    more = f" (and {len(places) - 1} more such values in the file)" if len(places) > 1 else ""
    return places[0] + more if places else ""


def _find(document: Any) -> Iterator[str]:
    """Yield the places of a document: entries of its lists by their ids, or by their number in the list."""
    lists = {"": document} if isinstance(document, list) else document if isinstance(document, dict) else {}
    for key, value in lists.items():
        if not isinstance(value, list):
            yield from (f"the file has {what} in {path}" for path, what in _walk(value, shorten(key)))
            continue
        for number, entry in enumerate(value, start=1):
            noun = _NOUNS.get(key, f"entry of {shorten(key)}" if key else "entry")
            own = entry.get("id") if isinstance(entry, Mapping) else None
            where = f"{noun} {shorten(own)}" if isinstance(own, (int, str)) else f"{noun} {number} in the file"
            yield from (f"{where} has {what} in {path}" for path, what in _walk(entry, ""))


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each NaN or infinite value."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path or "its place", "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _walk(part, f"{path}.{shorten(key)}" if path else shorten(key))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _walk(part, f"{path}[{place}]")
