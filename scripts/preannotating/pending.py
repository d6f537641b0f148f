"""The tasks that a run has to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]


def find_pending(tasks: Iterable[Json], version: str, limit: int | None = None) -> Iterator[Json]:
    """Yield the first `limit` tasks without a prediction of this version, stripped to what a prediction needs.

    "has_others" states whether a task has other predictions.
    """
    count = 0
    for task in tasks:
        if not has_version(task, version):
            has_others = isinstance(predictions := task.get("predictions"), list) and bool(predictions)
            yield {"id": task.get("id"), "data": task.get("data"), "has_others": has_others}
            count += 1
            if count == limit:
                return


def has_version(task: Mapping[str, Any], version: str) -> bool:
    """Return whether the task has a prediction of this version."""
    predictions = task.get("predictions")
    return isinstance(predictions, list) and any(
        isinstance(prediction, Mapping) and prediction.get("model_version") == version for prediction in predictions
    )
