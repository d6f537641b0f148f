"""Sending of annotations, a task at a time; a task that has one with the same regions already is skipped.

So a second run adds nothing. After a lost answer Label Studio may have stored the annotation, or may still do so, and a
second copy would have to be deleted by hand: it is asked what the task has until a settle time is over, and only then
the annotation is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from backend.bulk import Failures, Outages, Stopped
from backend.errors import BackendError, LabelStudioError, LabelStudioUnavailable, NoAnswer
from backend.importing.plan import TaskImport
from backend.importing.task_results import TaskResults, has_same_regions

Json = dict[str, Any]
MAX_REFUSALS = 5  # in a row
MAX_LOST_ANSWERS = 3  # of one annotation
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.25, 10.0  # between two questions what a task has
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
    existing: Existing,
    settle_seconds: float,
) -> None:
    """Build and send the annotations of tasks; a task that cannot be built or is refused is a failure.

    Args:
        tasks: Each with the annotations that it has.
        counts: Filled on the way.
        existing: Fetches the annotations that tasks have now.
        settle_seconds: How long after a lost answer Label Studio may still store the annotation.

    Raises:
        NoAnswer: Several answers about one annotation were lost.
        LabelStudioError: Label Studio refuses one annotation after the other.
        LabelStudioUnavailable: Label Studio was away for longer than the run waits.
        Stopped: The run was asked to stop during an outage.
    """
    refused, sender = 0, _Sender(store, outages, existing, settle_seconds, failures)
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
            sender.create(task.task_id, results)
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


@dataclass(frozen=True)
class _Sender:
    """What creates one annotation after the other, each once."""

    store: AnnotationStore
    outages: Outages
    existing: Existing
    settle_seconds: float
    failures: Failures

    def create(self, task_id: int, results: Sequence[Json]) -> None:
        """Create an annotation, in spite of outages and lost answers; raises as `send_annotations`."""
        lost = 0
        while True:
            try:
                self.store.create(task_id, results)
                return
            except NoAnswer as error:
                lost += 1
                self.outages.note()
                try:
                    if self._is_stored(task_id, results):
                        return
                except Stopped:
                    self.failures.fail(task_id, _in_doubt(task_id, error))
                    raise
                if lost >= MAX_LOST_ANSWERS:
                    raise _in_doubt(task_id, error) from error
            except LabelStudioUnavailable:
                self.outages.rest(FIRST_PAUSE_SECONDS)
                self.outages.wait_until_over()

    def _is_stored(self, task_id: int, results: Sequence[Json]) -> bool:
        """Return whether the task gets the regions before the settle time is over."""
        end, pause = monotonic() + self.settle_seconds, FIRST_PAUSE_SECONDS
        while True:
            is_over = monotonic() >= end  # before the question, so that the last one comes after the end
            if has_same_regions(results, self.existing([task_id]).get(task_id, ())):
                return True
            if is_over:
                return False
            self.outages.rest(max(min(pause, end - monotonic()), 0.0))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


def _in_doubt(task_id: int, error: NoAnswer) -> NoAnswer:
    message = f"It is not known whether the annotation of task {task_id} is stored. {error.message}"
    return NoAnswer(message, remedy="Wait a few minutes and run the same command again; it adds only what is missing.")
