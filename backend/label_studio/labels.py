"""Labels of results, their own or those of a separate Labels control.

A plain shape (`Brush`, `Polygon`, `KeyPoint`, …) and its label are two results with one id, the second of which repeats
the shape:

    {"id": "a", "type": "polygon", "from_name": "poly", "value": {"points": [[1, 2], …]}}
    {"id": "a", "type": "labels", "from_name": "what", "value": {"points": [[1, 2], …], "labels": ["Dog"]}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.label_studio.controls import SHAPES

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
    value, kind = value_of(result), str(result.get("type"))
    labels = value.get(kind) or (value.get("labels") if kind in _PLAIN else None)
    return str(labels[0]) if isinstance(labels, list) and labels else None


def join_labels(results: Sequence[Result]) -> list[Result]:
    """The results, plain shapes with the labels that another result with their id gives them."""
    separate = {
        str(result["id"]): labels
        for result in results
        if isinstance(result, (dict, Mapping)) and result.get("type") == "labels" and result.get("id") is not None
        if isinstance(labels := value_of(result).get("labels"), list) and labels
    }
    return [_joined(result, separate) for result in results] if separate else list(results)


def _joined(result: Result, separate: Mapping[str, list[Any]]) -> Result:
    if not isinstance(result, Mapping) or result.get("type") not in _PLAIN or str(result.get("id")) not in separate:
        return result
    return {**result, "value": {**value_of(result), "labels": separate[str(result["id"])]}}
