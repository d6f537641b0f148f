"""Import of predictions into Label Studio in chunks; a refused prediction or an interruption loses no other one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from backend.bulk.failures import Failures
from backend.errors import LabelStudioError
from backend.label_studio.config import SHAPES
from backend.label_studio.results import kind_of_region

log = logging.getLogger(__name__)
Json = dict[str, Any]


class Predictions(Protocol):
    """The part of `LabelStudioClient` that is needed here."""

    def iterate_tasks(self, project_id: str) -> Iterator[Json]: ...

    def tasks_with_version(self, task_ids: Iterable[int], model_version: str) -> set[int]: ...

    def create_predictions(self, project_id: str, predictions: list[Json]) -> int: ...


@dataclass
class Summary(Failures):
    """Counts of a run's tasks.

    Attributes:
        created: Tasks that got a prediction.
        empty: Created predictions without a mask.
        unchanged: Tasks without a mask that got no prediction, because it would hide their earlier ones.
        skipped: Tasks that already have a prediction of this version.
    """

    created: int = 0
    empty: int = 0
    unchanged: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        blank = f" ({self.empty} without a mask)" if self.empty else ""
        counts = f"created {self.created}{blank}, skipped {self.skipped}, failed {self.failed}"
        if self.unchanged:
            counts += f", unchanged {self.unchanged} (no mask; earlier predictions kept)"
        return "\n".join([counts, *self.reason_lines])


def import_chunk(client: Predictions, project_id: str, chunk: list[Json], summary: Summary) -> None:
    """Import a chunk; if Label Studio refuses it, find out what it stored and send the rest one by one.

    A task that another run has predicted meanwhile is skipped; a second prediction would be a duplicate.
    """
    predicted = _predicted_meanwhile(client, chunk)
    summary.skipped += len(predicted)
    chunk = [prediction for prediction in chunk if prediction["task"] not in predicted]
    if not chunk:
        return
    try:
        client.create_predictions(project_id, chunk)
        stored = chunk
    except LabelStudioError:
        predicted = _predicted_tasks(client, chunk)
        stored = [
            prediction
            for prediction in chunk
            if prediction["task"] in predicted or _import_one(client, project_id, prediction, summary)
        ]
        if not stored:
            raise
    summary.created += len(stored)
    summary.empty += sum(not _has_mask(prediction) for prediction in stored)


def _has_mask(prediction: Json) -> bool:
    return any(kind_of_region(result) in SHAPES for result in prediction["result"])


def _predicted_tasks(client: Predictions, chunk: list[Json]) -> set[int]:
    """Return the tasks of the chunk that have a prediction of its version."""
    return client.tasks_with_version([prediction["task"] for prediction in chunk], chunk[0]["model_version"])


def _predicted_meanwhile(client: Predictions, chunk: list[Json]) -> set[int]:
    """As `_predicted_tasks`, but the empty set if the request fails; the import then reports the error."""
    try:
        return _predicted_tasks(client, chunk)
    except LabelStudioError as error:
        log.debug("Could not check which tasks were predicted meanwhile. %s", error)
        return set()


def import_before_exit(client: Predictions, project_id: str, chunk: list[Json], summary: Summary) -> None:
    """Import a chunk before an interrupted run exits; if that fails, count its tasks as failed instead of raising."""
    failed_before = summary.failed
    try:
        if chunk:
            import_chunk(client, project_id, chunk, summary)
    except LabelStudioError as error:
        if summary.failed == failed_before:
            for prediction in chunk:
                summary.fail(prediction["task"], error)


def _import_one(client: Predictions, project_id: str, prediction: Json, summary: Summary) -> bool:
    try:
        client.create_predictions(project_id, [prediction])
    except LabelStudioError as error:
        summary.fail(prediction["task"], error)
        return False
    return True
