"""Webhooks that say where a person is: an annotation was submitted or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACTIONS = frozenset({"ANNOTATION_CREATED", "ANNOTATION_UPDATED"})


@dataclass(frozen=True)
class FinishedTask:
    """The task that somebody just submitted, and its project's labeling config."""

    project_id: str
    task_id: int
    label_config: str


def parse_finished_task(body: Mapping[str, Any]) -> FinishedTask | None:
    """What a webhook tells; None where it tells nothing of a task, or not as Label Studio 1.23 spells it.

    Nothing is refused: Label Studio shows nobody how a webhook was answered.
    """
    project, annotation = body.get("project"), body.get("annotation")
    if body.get("action") not in ACTIONS or not isinstance(project, Mapping) or not isinstance(annotation, Mapping):
        return None
    project_id, xml, task_id = project.get("id"), project.get("label_config"), annotation.get("task")
    if not isinstance(project_id, int) or not isinstance(task_id, int) or not isinstance(xml, str):
        return None
    return FinishedTask(str(project_id), task_id, xml)
