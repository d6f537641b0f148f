"""Workers that each run a pipeline, one for each device. One that dies is replaced.

A worker has several items at once, so that fetching and decoding are hidden behind the model. When it dies, each of
them is a suspect and is tried once more alone: an innocent one succeeds, one that kills its worker again has failed.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from backend.bulk.pipeline import DEFAULT_WINDOW
from backend.bulk.progress import Progress
from backend.bulk.worker_errors import WorkerDied, WorkersUnusable
from backend.bulk.worker_link import WorkerHost, WorkerLink
from backend.bulk.worker_main import Done, Numbered, Started

log = logging.getLogger(__name__)
MAX_TRIES = 2  # of an item whose worker dies
MAX_IDLE_DEATHS = 3  # of a worker in succession: while it starts, or without an item


@dataclass
class _Worker:
    """One place for a worker, and the way to the one that has it now.

    Attributes:
        pending: The items that the worker has, by number.
        is_reserved: Whether it is kept for one item alone.
    """

    place: int
    link: WorkerLink | None = None
    is_ready: bool = False
    is_reserved: bool = False
    idle_deaths: int = 0
    pending: dict[int, Future[Any]] = field(default_factory=dict)
    sending: threading.Lock = field(default_factory=threading.Lock)


class WorkerPool:
    """Workers that share items.

    Args:
        host: Starts the workers.
        in_flight: Maximum number of items that a worker has at once.
        progress: Gets the counts of the workers' stages.
    """

    def __init__(self, host: WorkerHost, *, in_flight: int = DEFAULT_WINDOW, progress: Progress | None = None) -> None:
        self._host = host
        self._in_flight, self._progress = in_flight, progress or Progress()
        self._changed, self._numbers = threading.Condition(), count()
        self._workers: list[_Worker] = []
        self._threads: list[threading.Thread] = []
        self._problem: Exception | None = None
        self._is_running = False

    @property
    def capacity(self) -> int:
        """Maximum number of items in all workers."""
        return self._host.places * self._in_flight

    def start(self) -> None:
        """Start the workers unless they run, and wait until each has built its pipeline.

        Raises:
            Whatever opening the host or building the pipeline in a worker raised.
            WorkersUnusable: A worker died again and again before it was ready.
        """
        if not self._is_running:
            self._host.open()
            self._is_running, self._problem = True, None
            self._workers = [_Worker(place) for place in range(self._host.places)]
            self._threads = [
                threading.Thread(target=self._keep_alive, args=(worker,), name=f"worker {worker.place}", daemon=True)
                for worker in self._workers
            ]
            for thread in self._threads:
                thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._problem or all(worker.is_ready for worker in self._workers))
        if self._problem is not None:
            problem = self._problem
            self.close()
            raise problem

    def work(self, item: Any) -> Any:
        """Let a worker work on an item and return its value.

        Raises:
            Whatever a stage raised.
            WorkerDied: The item killed its worker twice.
            WorkersUnusable: The workers were closed, or cannot be started again.
        """
        for attempt in range(MAX_TRIES):
            number, future, worker = self._hand_out(item, alone=attempt > 0)
            try:
                return future.result()
            except WorkerDied as died:
                reason = died.message
            finally:
                with self._changed:
                    worker.pending.pop(number, None)
                    worker.is_reserved = worker.is_reserved and attempt == 0
                    self._changed.notify_all()
        raise WorkerDied(
            f"It killed its {self._host.noun} {MAX_TRIES} times. {reason}",
            remedy="Look at its image, and at the memory of this machine: the system kills what takes too much.",
        )

    def close(self) -> None:
        """Kill the workers; calls that wait in `work` raise `WorkersUnusable`. They can be started again."""
        with self._changed:
            self._is_running = False
            for worker in self._workers:
                if worker.link is not None:
                    worker.link.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._host.close()

    def _hand_out(self, item: Any, *, alone: bool) -> tuple[int, Future[Any], _Worker]:
        """Send an item to the worker with the fewest items, or to one that has no other."""
        future: Future[Any] = Future()
        with self._changed:
            worker = self._wait_for_worker(alone)
            number, link = next(self._numbers), worker.link
            worker.pending[number] = future
        assert link is not None
        try:
            with worker.sending:
                link.send(Numbered(number, item))
        except OSError:
            pass  # it died; the thread that reads from it fails the future
        except Exception as error:  # the item cannot be pickled
            if not future.done():
                future.set_exception(error)
        return number, future, worker

    def _wait_for_worker(self, alone: bool) -> _Worker:
        mine: _Worker | None = None
        while True:
            if self._problem is not None or not self._is_running:
                raise self._unusable()
            if mine is None:
                free = [one for one in self._workers if one.is_ready and not one.is_reserved]
                mine = min(free, key=lambda one: len(one.pending), default=None)
                if mine is not None and alone:
                    mine.is_reserved = True
                elif mine is not None and len(mine.pending) >= self._in_flight:
                    mine = None
            if mine is not None and mine.is_ready and (not alone or not mine.pending):
                return mine
            mine = mine if alone else None
            self._changed.wait()

    def _unusable(self) -> Exception:
        return WorkersUnusable(
            f"The workers do not run. {self._problem or 'They were closed.'}", remedy="Run the command again."
        )

    def _keep_alive(self, worker: _Worker) -> None:
        """Start a worker, read what it sends, and replace it when it dies."""
        while self._is_running and self._problem is None:
            try:
                link = self._host.start(worker.place)
            except Exception as error:  # its argument cannot be pickled, or the system starts no more processes
                with self._changed:
                    self._problem = self._problem or error
                    self._changed.notify_all()
                return
            with self._changed:
                worker.link = link
                if not self._is_running:
                    link.kill()
            self._read(worker, link)
            ending = link.bury()  # if it is still there, it has sent what cannot be read
            with self._changed:
                self._fail_pending(worker, ending)

    def _read(self, worker: _Worker, link: WorkerLink) -> None:
        """Take a worker's messages until it dies."""
        try:
            started: Started = link.receive()
            with self._changed:
                worker.is_ready, self._problem = started.error is None, self._problem or started.error
                self._changed.notify_all()
            while started.error is None:
                self._take(worker, link.receive())
        except Exception as error:  # EOFError when it has died, or whatever unpickling raises
            log.debug("A worker ended: %r", error)

    def _take(self, worker: _Worker, done: Done) -> None:
        worker.idle_deaths = 0
        for name, counted in done.counted.items():
            self._progress.pass_stage(name, items=counted.items, failed=counted.failed, seconds=counted.busy_seconds)
        for name, times in done.noted.items():
            self._progress.note(name, times)
        with self._changed:
            future = worker.pending.get(done.number)
        if future is not None and done.error is not None:
            future.set_exception(done.error)
        elif future is not None:
            future.set_result(done.value)

    def _fail_pending(self, worker: _Worker, ending: str) -> None:
        """Fail what a dead worker had."""
        worker.is_ready = False
        lost = [future for future in worker.pending.values() if not future.done()]
        worker.pending.clear()
        worker.idle_deaths += not lost
        if worker.idle_deaths >= MAX_IDLE_DEATHS and self._problem is None:
            self._problem = WorkersUnusable(
                f"A {self._host.noun} died {worker.idle_deaths} times without an item ({ending}).",
                remedy=self._host.advice,
            )
        died = WorkerDied(f"The {self._host.noun} ended ({ending}).", remedy="Try again.")
        for future in lost:
            future.set_exception(died if self._is_running else self._unusable())
        self._changed.notify_all()
