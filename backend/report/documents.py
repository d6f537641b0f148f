"""Fields of task documents, from the API and from export files: who, when, and made from which prediction."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from backend.errors import ExportError, shorten
from backend.label_studio.results import ids_of, objects_of, results_of
from backend.report.outcomes import Link

Json = Mapping[str, Any]
_USERNAME = re.compile(r"^(?P<name>.*), (?P<id>\d+)$")  # " ann@example.com, 7": names, address, id


def list_documents(task: Json, key: str) -> list[Json]:
    """Return the task's annotations or predictions; an export file may list predictions by their ids only.

    Raises:
        ExportError: Not a list.
    """
    listed: Any = task.get(key) or []
    if not isinstance(listed, list):
        message = f'"{key}" of a task must be a list, but is {shorten(listed)}.'
        raise ExportError(message, remedy="The task is damaged: delete it in Label Studio and import it again.")
    objects = list(objects_of(listed))
    return objects if objects or not listed else [{"id": number} for number in listed]


def have_results(predictions: Sequence[Json]) -> bool:
    """Whether predictions come with their results, and not as ids."""
    return all("result" in one for one in predictions)


def parse_number(document: Json, key: str) -> int:
    """Return an id.

    Raises:
        ExportError: Not a whole number.
    """
    number = document.get(key)
    if isinstance(number, bool) or not isinstance(number, int):
        message = f'"{key}" must be a whole number, but is {shorten(number)}.'
        raise ExportError(message, remedy="Read the project with --project, or export it again.")
    return number


def parse_seconds(value: object) -> float | None:
    """Return a time in seconds; None for anything that is not a positive number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def parse_score(prediction: Json | None) -> float | None:
    """Return the score of a prediction; None without one."""
    score = (prediction or {}).get("score")
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        return None
    return float(score) if math.isfinite(score) else None


def name_annotator(annotation: Json) -> str:
    """Name the person who made an annotation: e-mail address, else names, else "user 7"; "unknown" without any."""
    person = annotation.get("completed_by")
    if isinstance(person, Mapping):
        return str(person.get("email") or f"user {person.get('id')}")
    known = _USERNAME.match(str(annotation.get("created_username") or ""))
    if known and known["name"].strip():
        return known["name"].split()[-1]
    return f"user {person}" if isinstance(person, int) else "unknown"


def pick_prediction(annotation: Json, predictions: Sequence[Json]) -> tuple[Json | None, Link]:
    """Return the prediction that an annotation is compared with, and how it was found.

    It is the one that the annotation names. One that is gone, or was never named, is replaced by the prediction with
    which the annotation shares most region ids, else by the newest; only those that were there before the annotation
    count, because nobody can have reviewed a later one.
    """
    parent = annotation.get("parent_prediction")
    for prediction in predictions:
        if parent is not None and prediction.get("id") == parent:
            return prediction, Link.PARENT
    ids, made = ids_of(results_of(annotation)), str(annotation.get("created_at") or "~")
    earlier = [one for one in predictions if str(one.get("created_at") or "") <= made]
    shared = [(len(ids & ids_of(results_of(one))), str(one.get("created_at") or ""), one) for one in earlier]
    best = max(shared, key=lambda entry: entry[:2], default=None)
    if best is None:
        return None, Link.NONE
    return best[2], Link.REGION_IDS if best[0] else Link.EARLIER
