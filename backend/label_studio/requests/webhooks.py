"""Webhooks for submitted and updated annotations, which tell which task an annotator has reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACTIONS = frozenset({"ANNOTATION_CREATED", "ANNOTATION_UPDATED"})


@dataclass(frozen=True)
class FinishedTask:
    """Task whose annotation was just submitted, with its project's labeling config."""

    project_id: str
    task_id: int
    label_config: str


def parse_finished_task(body: Mapping[str, Any]) -> FinishedTask | None:
    """Parse a webhook body; None if it is of another kind, or not in the format of Label Studio 1.23.

    It never raises, because Label Studio does not show the response to a webhook.
    """
    project, annotation = body.get("project"), body.get("annotation")
    action = body.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        return None
    if not isinstance(project, Mapping) or not isinstance(annotation, Mapping):
        return None
    project_id, xml, task_id = project.get("id"), project.get("label_config"), annotation.get("task")
    if type(project_id) is not int or type(task_id) is not int or not isinstance(xml, str):  # True is an int too
        return None
    return FinishedTask(str(project_id), task_id, xml)
