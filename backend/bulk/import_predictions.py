"""How predictions get into Label Studio: in chunks, and none is lost when one is refused or the work is interrupted."""

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
    """What of `backend.label_studio.api.client.LabelStudioClient` is used here."""

    def iterate_tasks(self, project_id: str) -> Iterator[Json]: ...

    def tasks_with_version(self, task_ids: Iterable[int], model_version: str) -> set[int]: ...

    def create_predictions(self, project_id: str, predictions: list[Json]) -> int: ...


@dataclass
class Summary(Failures):
    """What became of the tasks.

    `empty` of the created predictions hold no mask; `unchanged` tasks got none, for it would hide their earlier ones.
    """

    created: int = 0
    empty: int = 0
    unchanged: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        blank = f" ({self.empty} without a mask)" if self.empty else ""
        first = f"created {self.created}{blank}, skipped {self.skipped}, failed {self.failed}"
        if self.unchanged:
            first += f"; found nothing in {self.unchanged}, whose earlier predictions stay"
        return "\n".join([first, *self.reason_lines])


def import_chunk(client: Predictions, project_id: str, chunk: list[Json], summary: Summary) -> None:
    """Import a chunk; where Label Studio refuses it, find out what it took and send the rest one by one.

    A task that another run came to meanwhile has its prediction, and a second one would be in the way.
    """
    there = _done_meanwhile(client, chunk)
    summary.skipped += len(there)
    chunk = [one for one in chunk if one["task"] not in there]
    if not chunk:
        return
    try:
        client.create_predictions(project_id, chunk)
        taken = chunk
    except LabelStudioError:
        there = _tasks_done(client, chunk)
        taken = [one for one in chunk if one["task"] in there or _import_one(client, project_id, one, summary)]
        if not taken:
            raise
    summary.created += len(taken)
    summary.empty += sum(not any(kind_of_region(result) in SHAPES for result in one["result"]) for one in taken)


def _tasks_done(client: Predictions, chunk: list[Json]) -> set[int]:
    return client.tasks_with_version([one["task"] for one in chunk], chunk[0]["model_version"])


def _done_meanwhile(client: Predictions, chunk: list[Json]) -> set[int]:
    """Those of the chunk's tasks that are done; none where Label Studio does not say, for the import will tell."""
    try:
        return _tasks_done(client, chunk)
    except LabelStudioError as error:
        log.debug("What is done meanwhile was not to be had. %s", error)
        return set()


def import_before_leaving(client: Predictions, project_id: str, chunk: list[Json], summary: Summary) -> None:
    """Import what is done; where that fails the tasks are counted as failed, and the interruption stays one."""
    failed_before = summary.failed
    try:
        if chunk:
            import_chunk(client, project_id, chunk, summary)
    except LabelStudioError as error:
        if summary.failed == failed_before:
            for one in chunk:
                summary.fail(one["task"], error)


def _import_one(client: Predictions, project_id: str, prediction: Json, summary: Summary) -> bool:
    try:
        client.create_predictions(project_id, [prediction])
    except LabelStudioError as error:
        summary.fail(prediction["task"], error)
        return False
    return True
