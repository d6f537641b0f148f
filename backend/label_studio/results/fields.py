"""Fields of Label Studio's JSON: the results in a document, and a result's kind, value, size and labels.

These readers never raise. A field that is missing or of the wrong type reads as empty (None, "", {} or []); the
caller decides whether that is an error, because it knows what to tell the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.label_studio.config import SHAPES
from backend.values import Size

Result = Mapping[str, Any]
KEYPOINT = "keypoint"
RECTANGLE = "rectangle"
_PLAIN = (*SHAPES, KEYPOINT)
MAX_SIDE = 2**31 - 1  # pixels of an image's width or height; no image format of a browser has more
_OBJECT = (dict, Mapping)  # dict first: isinstance with an ABC is slower


def objects_of(documents: object) -> Iterator[Mapping[str, Any]]:
    """Yield the objects in a list of documents, such as a task's annotations."""
    listed = documents if isinstance(documents, list) else ()
    return (document for document in listed if isinstance(document, _OBJECT))


def results_of(document: object) -> list[Result]:
    """Return the objects in the result list of an annotation, a draft or a prediction."""
    return list(objects_of(document.get("result"))) if isinstance(document, Mapping) else []


def ids_of(results: Sequence[Result]) -> set[str]:
    """Return the ids of the results that have one."""
    return {str(r["id"]) for r in results if isinstance(r, Mapping) and r.get("id") is not None}


def kind_of_region(result: Result) -> str:
    """Return a result's type without "labels": "brush" for brushlabels, "" for labels, "choices" for choices."""
    return str(result.get("type")).removesuffix("labels")


def value_of(result: Result) -> Mapping[str, Any]:
    """Return the result's value."""
    value = result.get("value")
    return value if isinstance(value, _OBJECT) else {}


def drawn_size_of(result: Result) -> Size | None:
    """Return the size of the image that a result was drawn on (`original_width`, `original_height`).

    Both sides must be whole numbers from 1 to `MAX_SIDE`. 640.0 is whole, because JSON does not tell it from 640.
    """
    width, height = _side(result.get("original_width")), _side(result.get("original_height"))
    return Size(width, height) if width and height else None


def _side(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    is_whole = isinstance(value, int) or value.is_integer()
    return int(value) if is_whole and 1 <= value <= MAX_SIDE else None


def label_of(result: Result) -> str | None:
    """Return the first label of a result; a plain shape has one after `join_labels`."""
    labels = _label_list(result)
    return str(labels[0]) if labels else None


def labels_of(result: Result) -> tuple[str, ...]:
    """Return all labels of a result: several if a label's hotkey was pressed while the region was selected."""
    return tuple(map(str, _label_list(result)))


def _label_list(result: Result) -> list[Any]:
    value, kind = value_of(result), str(result.get("type"))
    labels = value.get(kind) or (value.get("labels") if kind in _PLAIN else None)
    return labels if isinstance(labels, list) else []


def join_labels(results: Sequence[Result]) -> list[Result]:
    """Give each plain shape the labels that a Labels control stores in a result of its own.

    A plain shape (`Brush`, `Polygon`, `KeyPoint`, …) and its label are two results with one id, the second of which
    repeats the shape:

        {"id": "a", "type": "polygon", "from_name": "poly", "value": {"points": [[1, 2], …]}}
        {"id": "a", "type": "labels", "from_name": "what", "value": {"points": [[1, 2], …], "labels": ["Dog"]}}

    Returns:
        The results in their order. If several label results share an id, the first one counts.
    """
    separate = {
        str(result["id"]): labels
        for result in reversed(results)
        if isinstance(result, _OBJECT) and result.get("type") == "labels" and result.get("id") is not None
        if isinstance(labels := value_of(result).get("labels"), list) and labels
    }
    return [_joined(result, separate) for result in results] if separate else list(results)


def _joined(result: Result, separate: Mapping[str, list[Any]]) -> Result:
    if not isinstance(result, Mapping) or result.get("type") not in _PLAIN or str(result.get("id")) not in separate:
        return result
    return {**result, "value": {**value_of(result), "labels": separate[str(result["id"])]}}


def json_type_of(value: object) -> str:
    """Name the JSON type of a value for an error message: "a number", "an object", "missing" for None."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return "missing" if value is None else names.get(type(value), type(value).__name__)
