"""Sending of annotations, a task at a time; a task that has one with the same regions already is skipped.

So a second run adds nothing. A lost answer ends the run: whether Label Studio has stored that annotation is known only
later, and a second copy would have to be deleted by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backend.bulk import Failures, Outages
from backend.errors import BackendError, LabelStudioError, LabelStudioUnavailable, NoAnswer
from backend.importing.plan import TaskImport
from backend.importing.task_results import TaskResults, has_same_regions

Json = dict[str, Any]
MAX_REFUSALS = 5  # in a row
Existing = Callable[[Sequence[int]], Mapping[int, Sequence[Json]]]


class AnnotationStore(Protocol):
    """The part of `label_studio.api.AnnotationClient` that is needed here."""

    def create(self, task_id: int, results: Sequence[Json]) -> int: ...


@dataclass
class SendCounts:
    """Tasks that got an annotation, and that had theirs already."""

    created: int = 0
    skipped: int = 0


def send_annotations(
    tasks: Iterable[tuple[TaskImport, Sequence[Json]]],
    builder: TaskResults,
    store: AnnotationStore,
    outages: Outages,
    failures: Failures,
    counts: SendCounts,
) -> None:
    """Build and send the annotations of tasks; a task that cannot be built or is refused is a failure.

    Args:
        tasks: Each with the annotations that it has.
        counts: Filled on the way.

    Raises:
        LabelStudioError: An answer was lost, or Label Studio refuses one annotation after the other.
        LabelStudioUnavailable: Label Studio was away for longer than the run waits.
        Stopped: The run was asked to stop during an outage.
    """
    refused = 0
    for task, present in tasks:
        try:
            results = builder.build(task, present)
        except BackendError as error:
            failures.fail(task.task_id, error)
            continue
        if has_same_regions(results, present):
            counts.skipped += 1
            continue
        try:
            _create(store, task.task_id, results, outages)
            counts.created, refused = counts.created + 1, 0
        except LabelStudioUnavailable:
            raise
        except LabelStudioError as error:
            failures.fail(task.task_id, error)
            refused += 1
            if refused >= MAX_REFUSALS:
                message = f"Label Studio refused {refused} annotations in a row. {error.message}"
                raise LabelStudioError(message, remedy=error.remedy) from error


def with_existing(
    tasks: Sequence[TaskImport], existing: Existing, size: int = 200
) -> Iterator[tuple[TaskImport, Sequence[Json]]]:
    """Yield tasks with the annotations that they have, fetched for so many tasks at once.

    Args:
        existing: Fetches the annotations of tasks.
    """
    for start in range(0, len(tasks), size):
        portion = tasks[start : start + size]
        found = existing([task.task_id for task in portion])
        yield from ((task, found.get(task.task_id, ())) for task in portion)


def _create(store: AnnotationStore, task_id: int, results: Sequence[Json], outages: Outages) -> None:
    while True:
        try:
            store.create(task_id, results)
            return
        except NoAnswer as error:
            message = f"It is not known whether the annotation of task {task_id} is stored. {error.message}"
            remedy = "Wait a few minutes and run the same command again; it adds only what is missing."
            raise NoAnswer(message, remedy=remedy) from error
        except LabelStudioUnavailable:
            outages.rest(0.1)
            outages.wait_until_over()
