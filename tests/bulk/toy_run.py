"""A whole bulk run without models: a toy in place of SAM and CLIP, everything else as `scripts.preannotate` has it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from backend.bulk import (
    ChunkLimits,
    Outages,
    Pipeline,
    PipelineRunner,
    PredictionImporter,
    ProjectRun,
    RunFolder,
    Stage,
    StopFlag,
    Summary,
    Sweep,
    SweepReport,
    Target,
    hold_lock,
    identify_run,
)
from backend.label_studio.api import PredictionClient
from scripts.preannotating.stopping import StopSignals
from tests.bulk.fake_label_studio import PROJECT
from tests.tokens import LEGACY

Json = dict[str, Any]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.bulk.toy_run"])
VERSION = "toy-auto-0a1b2c3d"


def toy_prediction(task: Json, label: str = "red") -> Json:
    return {"result": [{"type": "brushlabels", "value": {"rle": [task["id"]], "brushlabels": [label]}}], "score": 0.5}


@dataclass
class ToyRun:
    """One run against a Label Studio.

    Attributes:
        predict: Predicts a task, or raises.
        at_task: Called with the number of tasks that were taken so far, before each.
    """

    url: str
    folder: Path
    predict: Callable[[Json], Json] = toy_prediction
    at_task: Callable[[int], object] = lambda number: None
    version: str = VERSION
    project: str = PROJECT
    api_key: str = LEGACY
    chunk: int = 10
    settle_seconds: float = 0.5
    give_up_after_seconds: float = 20.0
    import_timeout_seconds: float = 5.0
    check: Callable[[], object] = lambda: None
    limit: int | None = None
    lookahead: int = 1
    summary: Summary = field(default_factory=Summary)
    stop: StopFlag = field(default_factory=StopFlag)
    said: list[str] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = PredictionClient(
            self.url, self.api_key, timeout_seconds=5.0, import_timeout_seconds=self.import_timeout_seconds
        )
        self.outages = Outages(
            lambda: self.client.check(self.project),
            self.stop,
            give_up_after_seconds=self.give_up_after_seconds,
            first_pause_seconds=0.02,
            say=self.said.append,
        )

    @property
    def run_folder(self) -> RunFolder:
        return RunFolder(self.folder, identify_run(self.url, self.project, self.version))

    def run(self, *, sweep: bool = True) -> Summary:
        with hold_lock(self.run_folder), self.run_folder.open_ledger({"settings": {"points": 3}}) as ledger:
            target = Target(self.client, self.project, self.version, self.check)
            importer = PredictionImporter(
                target,
                ledger,
                self.outages,
                self.summary,
                limits=ChunkLimits(max_tasks=self.chunk),
                settle_seconds=self.settle_seconds,
            )
            run = ProjectRun(
                target,
                self.list_tasks(),
                PipelineRunner(Pipeline([Stage("toy", self._predict)], window=1, lookahead=self.lookahead)),
                importer,
                ledger,
                self.outages,
                self.summary,
                self.stop,
                settle_seconds=self.settle_seconds,
            )
            try:
                run.run()
                if sweep and not self.summary.was_stopped:
                    self.summary.surplus = self.sweep(ledger.sent_repeatedly()).deleted
            finally:
                self.run_folder.write_failures(ledger)
        return self.summary

    def sweep(self, suspects: Iterable[int | str] = ()) -> SweepReport:
        sweep = Sweep(self.client, self.project, self.version, self.outages)
        return sweep.run([int(task) for task in suspects])

    def list_tasks(self) -> Iterator[Json]:
        """The tasks without a prediction of the version, a page at a time."""
        last, left = 0, self.limit
        while True:
            filters = [
                {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last},
                {
                    "filter": "filter:tasks:predictions_model_versions",
                    "operator": "not_contains",
                    "type": "List",
                    "value": [self.version],
                },
            ]
            ask = partial(self.client._tasks, self.project, filters, "the tasks", include="id,data", page_size=50)
            page = self.outages.answer_of(ask)["tasks"]
            if not page:
                return
            for task in page:
                if left == 0:
                    return
                yield task
                left = None if left is None else left - 1
            last = page[-1]["id"]

    def _predict(self, task: Json) -> Json:
        self.at_task(len(self.taken))
        self.taken.append(task["id"])
        return self.predict(task)


@contextmanager
def toy_process(url: str, folder: Path, task_seconds: float, **options: Any) -> Iterator[BaseProcess]:
    """A run in a process of its own that has imported everything already; it is killed in the end."""
    process = FORKS.Process(target=_run_in_process, args=(url, folder, task_seconds, options))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _run_in_process(url: str, folder: Path, task_seconds: float, options: dict[str, Any]) -> None:
    """Run as the command does: signals stop it gently."""
    with StopSignals() as signals:
        run = ToyRun(url, folder, stop=signals.flag, at_task=lambda number: time.sleep(task_seconds), **options)
        run.run()
    os._exit(signals.exit_status if run.summary.was_stopped else 0)
