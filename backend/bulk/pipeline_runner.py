"""A pipeline whose items are tasks, as a `Runner`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from backend.bulk.outcome import Outcome
from backend.bulk.pipeline import Pipeline, Run

Json = dict[str, Any]


class PipelineRunner:
    """A `Runner` of a pipeline.

    Args:
        pipeline: From a task document to Label Studio's `result` and `score`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def __call__(self, tasks: Iterable[Json]) -> PipelineOutcomes:
        return PipelineOutcomes(self.pipeline.run(tasks))

    def close(self) -> None:
        """Do nothing: the threads end with their run. Other runners end their workers."""


class PipelineOutcomes(Iterator[Outcome]):
    """`Outcomes` of a pipeline's run."""

    def __init__(self, run: Run[Json]) -> None:
        self._run = run

    def __next__(self) -> Outcome:
        finished = next(self._run)
        return Outcome(finished.item, finished.value, finished.error)

    def stop(self) -> None:
        self._run.stop()

    def close(self) -> None:
        self._run.close()
