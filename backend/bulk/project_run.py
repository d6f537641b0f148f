"""A run over a project: tasks go to the runner, predictions to the importer, what became of each to the ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from backend.bulk.chunks import encode_prediction
from backend.bulk.delivery import Target
from backend.bulk.ledger import Ledger, TaskKey, TaskState
from backend.bulk.outages import Outages, StopFlag, Stopped
from backend.bulk.outcome import Outcome, Runner
from backend.bulk.prediction_importer import PredictionImporter
from backend.bulk.summary import Summary
from backend.errors import (
    BackendError,
    ImageForbidden,
    ImageUnavailable,
    TryAgain,
)

log = logging.getLogger(__name__)

Json = dict[str, Any]
UNCHANGED = "Nothing was found; earlier predictions were kept."
BATCH = 100  # tasks that are noted in the ledger at once
MAX_ATTEMPTS = 3  # of a task whose image could not be fetched
MAX_WAITING = 10_000  # such tasks that are kept for another attempt
MIN_PROBE_SECONDS = 2.0


@dataclass
class ProjectRun:
    """One run, from the listing to the last chunk.

    Attributes:
        tasks: Those without a prediction of this version; they wait out outages by themselves, see `Outages.answer_of`.
        runner: Predicts.
        stop: Set to end the run: what is under way is finished and imported.
        is_unchanged: Whether an outcome is not imported because it would only hide earlier predictions.
        show: Context in which the progress is shown.
        on_retry: Called for each task that has failed and comes again.
    """

    target: Target
    tasks: Iterable[Json]
    runner: Runner
    importer: PredictionImporter
    ledger: Ledger
    outages: Outages
    summary: Summary
    stop: StopFlag
    settle_seconds: float = 150.0
    is_unchanged: Callable[[Outcome], bool] = lambda outcome: False
    show: Callable[[], AbstractContextManager[object]] = nullcontext
    on_retry: Callable[[], object] = lambda: None
    _open: dict[TaskKey, float] = field(default_factory=dict)  # of an earlier run: task, and when it settles
    _deferred: list[Json] = field(default_factory=list)
    _again: list[Json] = field(default_factory=list)
    _attempts: dict[TaskKey, int] = field(default_factory=dict)
    _probed_at: float = 0.0

    def run(self) -> None:
        """Predict and import until nothing is left, or until the run is asked to stop.

        Raises:
            LabelStudioUnavailable: Label Studio was away for longer than the run waits.
            LabelStudioError: The project is gone, or takes no prediction of this run.
            LedgerError: The ledger cannot be written.
        """
        try:
            self._recover()
            self._pass(self._list())
            while self._again and not self.stop.is_set():
                again, self._again = self._again, []
                self._pass(self._until_stopped(again))
            self._do_deferred()
        except Stopped:
            pass
        except Exception:
            try:
                self.importer.finish()
            except BackendError as error:  # the first error is the one to report
                log.warning("The predictions that were ready could not be imported either. %s", error)
            raise
        self.importer.finish()
        self.summary.was_stopped = self.stop.is_set()

    def _recover(self) -> None:
        """Ask Label Studio about requests of an earlier run that was killed; leave alone those not settled yet."""
        now = time.time()
        settles = {task: since + self.settle_seconds for task, since in self.ledger.open_requests().items()}
        self._open = {task: min(at, now + self.settle_seconds) for task, at in settles.items() if at > now}
        self._reconcile([task for task in settles if task not in self._open])

    def _reconcile(self, tasks: list[TaskKey]) -> set[int]:
        """Write to the ledger which of these tasks have their prediction; return them. The others are pending."""
        ids = [int(task) for task in tasks]
        target = self.target
        stored = self.outages.answer_of(
            lambda: target.store.tasks_with_version(target.project_id, ids, target.version) if ids else set[int]()
        )
        self.ledger.mark(stored, TaskState.DONE)
        self.ledger.mark([task for task in ids if task not in stored], TaskState.PENDING)
        return stored

    def _list(self) -> Iterator[Json]:
        """Yield the tasks to predict now, noted in the ledger; keep those whose last request is still open."""
        tasks = iter(self.tasks)
        with suppress(Stopped):
            while batch := list(islice(tasks, BATCH)):
                self._deferred += [task for task in batch if task["id"] in self._open]
                ready = [task for task in batch if task["id"] not in self._open]
                self.ledger.add(task["id"] for task in ready)
                yield from self._until_stopped(ready)
                if self.stop.is_set():
                    return

    def _until_stopped(self, tasks: Iterable[Json]) -> Iterator[Json]:
        for task in tasks:
            if self.stop.is_set():
                return
            yield task

    def _do_deferred(self) -> None:
        """Wait until the requests of the earlier run have settled, then do what they did not."""
        if not self._deferred:
            return
        self.outages.rest(max(max(self._open.values()) - time.time(), 0.0))
        stored = self._reconcile(list(self._open))
        self._pass(self._until_stopped([task for task in self._deferred if task["id"] not in stored]))

    def _pass(self, tasks: Iterator[Json]) -> None:
        with closing(self.runner(tasks)) as outcomes, self.show():
            for outcome in outcomes:
                if outcome.error is not None:
                    self._take_failure(outcome, outcome.error)
                else:
                    self._take_prediction(outcome)
                self.importer.poll()
                if self.stop.is_set():
                    outcomes.stop()

    def _take_prediction(self, outcome: Outcome) -> None:
        task = outcome.task["id"]
        if self.is_unchanged(outcome):
            self.summary.unchanged += 1
            self.ledger.mark([task], TaskState.DONE, UNCHANGED)
            return
        try:
            encoded = encode_prediction(task, outcome.prediction or {}, self.target.version)
        except (TypeError, ValueError, KeyError) as error:
            self._fail(task, error)
        else:
            self.importer.add(encoded)

    def _take_failure(self, outcome: Outcome, error: Exception) -> None:
        task = outcome.task["id"]
        attempts = self._attempts[task] = self._attempts.get(task, 0) + 1
        if may_pass(error):
            self._wait_for_label_studio()
            if attempts < MAX_ATTEMPTS and len(self._again) < MAX_WAITING:
                self.ledger.mark([task], TaskState.PENDING, str(error), attempts=1)
                self._again.append(outcome.task)
                self.on_retry()
                return
        self._fail(task, error)

    def _wait_for_label_studio(self) -> None:
        """Pause while Label Studio, which most images come from, is unavailable."""
        if time.monotonic() - self._probed_at > MIN_PROBE_SECONDS:
            self.outages.wait_until_over()
            self._probed_at = time.monotonic()

    def _fail(self, task: int, error: Exception) -> None:
        self.summary.fail(task, error)
        self.ledger.mark([task], TaskState.FAILED, self.summary.describe(error), attempts=1)


def may_pass(error: Exception) -> bool:
    """Whether a task that failed with this error may succeed later."""
    return isinstance(error, ImageUnavailable | TryAgain) and not isinstance(error, ImageForbidden)
