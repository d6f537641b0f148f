"""The model versions of a project's predictions.

Label Studio's filter for them matches parts of a name, in capitals or not, so a version that others contain has to be
asked for task by task.
"""

from __future__ import annotations

from collections.abc import Iterable

from backend.label_studio.api.json_requests import JsonRequests
from backend.label_studio.api.task_query import Json, condition


def fetch_model_versions(requests: JsonRequests, project_id: int | str) -> dict[str, int]:
    """Return the number of predictions by their exact version."""
    subject = f"the model versions of project {project_id}"
    counts = requests.get(f"/api/projects/{project_id}/model-versions/", subject)
    return {str(version): int(count) for version, count in counts.items()}


def has_exact_version(requests: JsonRequests, task_id: int, version: str) -> bool:
    """Return whether a task has a prediction of exactly this version."""
    predictions = requests.get("/api/predictions/", f"the predictions of task {task_id}", {"task": task_id})
    return any(prediction.get("model_version") == version for prediction in predictions)


def find_similar(version: str, versions: Iterable[str]) -> list[str]:
    """Return the other versions that Label Studio's filter takes for this one: they contain it, in capitals or not."""
    return [other for other in versions if version.casefold() in other.casefold() and other != version]


def contains_version(versions: list[str], *, negated: bool = False) -> Json:
    """Build the condition that a task has predictions whose versions contain these; `negated` that it has none."""
    operator = "not_contains" if negated else "contains"
    return condition("predictions_model_versions", operator, "List", versions)  # a list, or nothing is filtered
