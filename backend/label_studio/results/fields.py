"""Labels of results, their own or those of a separate Labels control.

A plain shape (`Brush`, `Polygon`, `KeyPoint`, …) and its label are two results with one id, the second of which repeats
the shape:

    {"id": "a", "type": "polygon", "from_name": "poly", "value": {"points": [[1, 2], …]}}
    {"id": "a", "type": "labels", "from_name": "what", "value": {"points": [[1, 2], …], "labels": ["Dog"]}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.label_studio.config import SHAPES

Result = Mapping[str, Any]
KEYPOINT = "keypoint"
RECTANGLE = "rectangle"
_PLAIN = (*SHAPES, KEYPOINT)


def kind_of_region(result: Result) -> str:
    """ "brush" of a brush and of a brushlabels result; "" of labels, "choices" of choices."""
    return str(result.get("type")).removesuffix("labels")


def value_of(result: Result) -> Mapping[str, Any]:
    """The result's value; an empty one where it has none."""
    value = result.get("value")
    return value if isinstance(value, (dict, Mapping)) else {}  # dict: asking an ABC takes longer


def label_of(result: Result) -> str | None:
    """The first label of a result, if it has one; a plain shape has one after `join_labels`."""
    labels = _label_list(result)
    return str(labels[0]) if labels else None


def labels_of(result: Result) -> tuple[str, ...]:
    """All labels of a result. There are several where a label's key was pressed while the region was selected."""
    return tuple(map(str, _label_list(result)))


def _label_list(result: Result) -> list[Any]:
    value, kind = value_of(result), str(result.get("type"))
    labels = value.get(kind) or (value.get("labels") if kind in _PLAIN else None)
    return labels if isinstance(labels, list) else []


def join_labels(results: Sequence[Result]) -> list[Result]:
    """The results, plain shapes with the labels that another result with their id gives them: of several, the first."""
    separate = {
        str(result["id"]): labels
        for result in reversed(results)
        if isinstance(result, (dict, Mapping)) and result.get("type") == "labels" and result.get("id") is not None
        if isinstance(labels := value_of(result).get("labels"), list) and labels
    }
    return [_joined(result, separate) for result in results] if separate else list(results)


def _joined(result: Result, separate: Mapping[str, list[Any]]) -> Result:
    if not isinstance(result, Mapping) or result.get("type") not in _PLAIN or str(result.get("id")) not in separate:
        return result
    return {**result, "value": {**value_of(result), "labels": separate[str(result["id"])]}}


def ids_of(results: Sequence[Result]) -> set[str]:
    """The ids of results that have one."""
    return {str(r["id"]) for r in results if isinstance(r, Mapping) and r.get("id") is not None}


def results_of(document: object) -> list[Result]:
    """The objects in the result of an annotation, a draft or a prediction."""
    found = document.get("result") if isinstance(document, Mapping) else None
    return [result for result in found if isinstance(result, Mapping)] if isinstance(found, list) else []


def objects_of(documents: object) -> Iterator[Mapping[str, Any]]:
    """The objects in a list of documents; nothing where there is no list."""
    return (
        document for document in (documents if isinstance(documents, list) else ()) if isinstance(document, Mapping)
    )


def kind_of(value: object) -> str:
    """What a value of a JSON document is, in JSON's words, for a message."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return "missing" if value is None else names.get(type(value), type(value).__name__)
