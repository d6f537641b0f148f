"""Which of a task's annotations count, which of them is exported, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backend.errors import ExportError, shorten

Json = Mapping[str, Any]
DAMAGED_REMEDY = "Open the task in Label Studio, delete the annotation and create it again."


def list_annotations(task: Json) -> list[Json]:
    """Return the annotations of a task that were not skipped ("cancelled").

    Raises:
        ExportError: The task's annotations are not a list of objects.
    """
    annotations = task.get("annotations") or []
    if not isinstance(annotations, list) or not all(isinstance(annotation, Mapping) for annotation in annotations):
        message = f'"annotations" of a task must be a list of objects, but is {shorten(annotations)}.'
        raise ExportError(message, remedy=DAMAGED_REMEDY)
    return [annotation for annotation in annotations if not annotation.get("was_cancelled")]


def pick_annotation(annotations: Iterable[Json]) -> Json | None:
    """Return the annotation to export: the ground truth, else the one changed last; None if there is no annotation."""
    return max(
        annotations,
        key=lambda annotation: (
            bool(annotation.get("ground_truth")),
            str(annotation.get("updated_at") or ""),
            annotation.get("id") or 0,
        ),
        default=None,
    )


def read_annotator(annotation: Json) -> str:
    """Return the e-mail address of the person whose annotation it is, the id if it is unknown, or "".

    `completed_by` is an id, or in some export files an object; the API adds `created_username`, "First Last
    person@example.com, 7".
    """
    person = annotation.get("completed_by")
    if isinstance(person, Mapping):
        return str(person.get("email") or person.get("id") or "")
    address = str(annotation.get("created_username") or "").rpartition(", ")[0].rpartition(" ")[2]
    return address if "@" in address else "" if person is None else str(person)
