"""Removal of surplus predictions: after it each task has at most one of this version, besides those people worked on.

An import whose answer was lost may be stored after it was sent again, and two runs may do the same work. The sweep
keeps the prediction with the lowest id and any that an annotation was made from. Two sweeps at once keep the same ones,
so it is safe to run on two machines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from backend.bulk.outages import Outages
from backend.label_studio.api import StoredPredictions, find_similar


class StoredPredictionStore(Protocol):
    """The part of `label_studio.api.PredictionClient` that is needed here."""

    def count_tasks(self, project_id: str, version: str = "") -> int: ...

    def versions(self, project_id: str) -> dict[str, int]: ...

    def iterate_stored(
        self, project_id: str, version: str, task_ids: Collection[int]
    ) -> Iterator[StoredPredictions]: ...

    def tasks_with_several(self, project_id: str, version: str, after: int) -> list[int]: ...

    def tasks_with_drafts(self, project_id: str, task_ids: Collection[int]) -> set[int]: ...

    def delete_prediction(self, prediction_id: int) -> bool: ...


@dataclass
class SweepReport:
    """What a sweep found and did.

    Attributes:
        tasks: In the project.
        predicted: Tasks with a prediction of this version.
        deleted: Surplus predictions.
        kept: Surplus predictions that an annotation was made from.
        waiting: Surplus predictions of tasks with a draft, which may have been made from them.
    """

    version: str
    tasks: int = 0
    predicted: int = 0
    deleted: int = 0
    kept: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        kept = f", {self.kept} more kept because annotations were made from them" if self.kept else ""
        waiting = (
            f", {self.waiting} more left in tasks with a draft: run --verify when it is submitted"
            if self.waiting
            else ""
        )
        return (
            f"{self.version}: {self.predicted} of {self.tasks} tasks have their prediction, "
            f"{self.deleted} duplicates deleted{kept}{waiting}"
        )


@dataclass(frozen=True)
class Sweep:
    """Sweep of one version's predictions in one project."""

    store: StoredPredictionStore
    project_id: str
    version: str
    outages: Outages

    def run(self, suspects: Collection[int] = ()) -> SweepReport:
        """Delete surplus predictions and count what is there.

        Usually two requests show that there is nothing to do. Otherwise the suspects are looked at first, because the
        predictions of all tasks may be gigabytes.

        Args:
            suspects: Tasks whose predictions were sent more than once.

        Raises:
            LabelStudioUnavailable: Label Studio was away for longer than `outages` wait.
            LabelStudioError: It refuses to delete.
            Stopped: The run was asked to stop during an outage.
        """
        report = SweepReport(self.version)
        if self._has_surplus(report):
            self._clear(suspects, report)
        if self._has_surplus(report):
            report.kept = report.waiting = 0  # counted again
            for tasks in self._tasks_with_several():
                self._clear(tasks, report)
        report.tasks = self.outages.answer_of(lambda: self.store.count_tasks(self.project_id))
        report.predicted = self.outages.answer_of(lambda: self.store.count_tasks(self.project_id, self.version))
        return report

    def _has_surplus(self, report: SweepReport) -> bool:
        """Whether there are more predictions of this version than tasks that have one."""
        counts = self.outages.answer_of(lambda: self.store.versions(self.project_id))
        if find_similar(self.version, counts):
            return True  # the filter for tasks finds those of the other version, too
        tasks = self.outages.answer_of(lambda: self.store.count_tasks(self.project_id, self.version))
        return counts.get(self.version, 0) - report.kept - report.waiting > tasks

    def _tasks_with_several(self) -> Iterator[list[int]]:
        last = 0
        ask = self.store.tasks_with_several
        while portion := self.outages.answer_of(partial(ask, self.project_id, self.version, last)):
            yield portion
            last = portion[-1]

    def _clear(self, tasks: Collection[int], report: SweepReport) -> None:
        stored = self.outages.answer_of(lambda: list(self.store.iterate_stored(self.project_id, self.version, tasks)))
        surplus = [each.task for each in stored if each.surplus]
        ask = partial(self.store.tasks_with_drafts, self.project_id, surplus)
        drafts: set[int] = self.outages.answer_of(ask) if surplus else set()
        for each in stored:
            report.kept += len(each.ids[1:]) - len(each.surplus)
            if each.task in drafts:  # Label Studio refuses to submit what was made from a deleted prediction
                report.waiting += len(each.surplus)
                continue
            for prediction in each.surplus:
                report.deleted += self.outages.answer_of(partial(self.store.delete_prediction, prediction))
