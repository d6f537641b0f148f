"""Workers as a `Runner`: the parent hands out tasks and takes their predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from backend.bulk.outcome import Outcome
from backend.bulk.pipeline import DEFAULT_LOOKAHEAD, DEFAULT_WINDOW, Pipeline
from backend.bulk.pipeline_runner import PipelineOutcomes, PipelineRunner
from backend.bulk.progress import Progress
from backend.bulk.stage import Stage
from backend.bulk.worker_errors import WorkersUnusable
from backend.bulk.worker_link import WorkerHost
from backend.bulk.worker_pool import WorkerPool

Json = dict[str, Any]


class WorkerRunner:
    """A `Runner` of workers. They start with its first run and serve the following ones.

    Args:
        host: Starts the workers, whose pipelines go from a task to its prediction.
        in_flight: Maximum number of tasks that a worker has at once.
        progress: Counters.
    """

    def __init__(self, host: WorkerHost, *, in_flight: int = DEFAULT_WINDOW, progress: Progress | None = None) -> None:
        progress = progress or Progress()
        self._workers = WorkerPool(host, in_flight=in_flight, progress=progress)
        capacity = self._workers.capacity
        stage = Stage("worker", self._workers.work, threads=capacity, is_counted=False)
        lookahead = max(DEFAULT_LOOKAHEAD, 4 * capacity)
        self._run = PipelineRunner(Pipeline([stage], window=capacity, lookahead=lookahead, progress=progress))

    def __call__(self, tasks: Iterable[Json]) -> WorkerOutcomes:
        """Run the tasks.

        Raises:
            Whatever opening the host or building the pipeline in a worker raises.
            WorkersUnusable: A worker died again and again before it was ready.
        """
        self._workers.start()
        return WorkerOutcomes(self._run(tasks), self._workers)

    def close(self) -> None:
        """End the workers; a later run starts new ones."""
        self._workers.close()


class WorkerOutcomes(Iterator[Outcome]):
    """`Outcomes` of workers; raises `WorkersUnusable` once no task can be predicted any more."""

    def __init__(self, outcomes: PipelineOutcomes, workers: WorkerPool) -> None:
        self._outcomes, self._workers, self._is_exhausted = outcomes, workers, False

    def __next__(self) -> Outcome:
        try:
            outcome = next(self._outcomes)
        except StopIteration:
            self._is_exhausted = True
            raise
        if isinstance(outcome.error, WorkersUnusable):
            self.close()
            raise outcome.error
        return outcome

    def stop(self) -> None:
        self._outcomes.stop()

    def close(self) -> None:
        if not self._is_exhausted:  # the workers are kept for the next run
            self._workers.close()
        self._outcomes.close()
