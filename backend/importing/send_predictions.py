"""Planned tasks as the work of a `ProjectRun`, which stores each prediction exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.bulk import Outcome
from backend.errors import BackendError, BadDataSet
from backend.importing.plan import TaskImport
from backend.importing.task_results import TaskResults
from backend.label_studio.api import AnswerOf, PredictionClient

Json = dict[str, Any]
PLANNED, ANNOTATIONS = "planned", "annotations"
"""Keys of what the document of a task carries to the runner."""


class BuiltOutcomes:
    """Outcomes of tasks, built one after the other on the caller's thread."""

    def __init__(self, tasks: Iterable[Json], build: Callable[[Json], Json]) -> None:
        self._tasks, self._build = iter(tasks), build

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        task = next(self._tasks)
        try:
            return Outcome(task, self._build(task))
        except BackendError as error:
            return Outcome(task, error=error)

    def stop(self) -> None:
        self._tasks = iter(())

    def close(self) -> None:
        self.stop()


@dataclass(frozen=True)
class PredictionBuilder:
    """Builder of predictions from the documents of planned tasks.

    Attributes:
        clear: Called with the task before its prediction is sent, to delete what it replaces.
    """

    results: TaskResults
    clear: Callable[[int], object] = lambda task_id: None

    def __call__(self, tasks: Iterable[Json]) -> BuiltOutcomes:
        return BuiltOutcomes(tasks, self._build)

    def _build(self, document: Json) -> Json:
        prediction = self.results.build_prediction(document[PLANNED], document[ANNOTATIONS])
        self.clear(document["id"])
        return prediction


@dataclass(frozen=True)
class PlannedTasks:
    """Tasks of a plan that have no prediction of a version, as documents.

    Attributes:
        with_annotations: Gives tasks the annotations that they have.
        stored: Returns which of some tasks have their prediction; nothing if those are to be replaced.
    """

    plan: Sequence[TaskImport]
    with_annotations: Callable[[Sequence[TaskImport]], Iterable[tuple[TaskImport, Sequence[Json]]]]
    stored: Callable[[Sequence[int]], set[int]]

    def __iter__(self) -> Iterator[Json]:
        done = self.stored([task.task_id for task in self.plan])
        left = [task for task in self.plan if task.task_id not in done]
        for task, present in self.with_annotations(left):
            yield {"id": task.task_id, PLANNED: task, ANNOTATIONS: present}

    def count_done(self) -> int:
        """Count the tasks that have their prediction."""
        return len(self.stored([task.task_id for task in self.plan]))


def clear_stored(client: PredictionClient, project_id: str, version: str, task_id: int, answer_of: AnswerOf) -> None:
    """Delete the predictions of this version that a task has, to replace them.

    Raises:
        BadDataSet: Somebody has begun to label the task: Label Studio refuses to submit what was made from a deleted
            prediction. Or an annotation was made from one.
    """
    for stored in answer_of(lambda: list(client.iterate_stored(project_id, version, [task_id]))):
        if stored.reviewed & set(stored.ids):
            message = f"Its prediction of version {version} cannot be replaced: an annotation was made from it."
            raise BadDataSet(message, remedy="Import under another --model-version.")
        if stored.ids and answer_of(lambda: client.tasks_with_drafts(project_id, [task_id])):
            message = f"Its prediction of version {version} cannot be replaced: somebody is labeling the task."
            raise BadDataSet(message, remedy="Run the same command again when the draft is submitted.")
        for number in stored.ids:
            answer_of(partial(client.delete_prediction, number))
