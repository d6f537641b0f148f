"""Stages in threads: items flow through them a bounded number at a time, each to exactly one result or its error.

    pipeline = Pipeline([Stage("fetch", fetch, threads=4), Stage("encode", encode)], window=8)
    with pipeline.run(paths) as run:
        for finished in run:  # in the order in which they get ready
            ...

The input is pulled on the consumer's thread, when the consumer asks for the next result, so it may use what only that
thread may use, and nothing is pulled while the consumer waits for something else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from backend.bulk.progress import Progress
from backend.bulk.stage import Failed, Finished, Stage, run_batch

Item = TypeVar("Item")
DEFAULT_WINDOW = 8
DEFAULT_LOOKAHEAD = 64


@dataclass
class _Passing:
    """An item between two stages."""

    item: Any
    value: Any


class Pipeline:
    """Stages that items flow through.

    Args:
        window: Maximum number of items in the stages, which bounds the memory for images.
        lookahead: Maximum number of items that were pulled and not handed to the consumer yet: waiting for the first
            stage, in the stages, and finished. So long the stages have work while the consumer is busy.
        progress: Counters; None for new ones.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        window: int = DEFAULT_WINDOW,
        lookahead: int = DEFAULT_LOOKAHEAD,
        progress: Progress | None = None,
    ) -> None:
        if not stages or min(window, lookahead, *(stage.threads for stage in stages)) < 1:
            raise ValueError("A pipeline needs a stage, and a window, a lookahead and threads of at least 1.")
        self.stages, self.window, self.lookahead = tuple(stages), window, max(lookahead, window)
        self.progress = progress or Progress([stage.name for stage in stages])

    def run(self, items: Iterable[Item]) -> Run[Item]:
        """Start the threads; the items are pulled when the results are."""
        return Run(self, items)


class Run(Iterator[Finished[Item]]):
    """The results of a pipeline, in the order in which they get ready.

    An exception of the input is raised after the results of what was pulled before it. After a KeyboardInterrupt the
    run is still usable: `stop` and go on with `next`, or `close`.
    """

    def __init__(self, pipeline: Pipeline, items: Iterable[Item]) -> None:
        self._stages, self._progress = pipeline.stages, pipeline.progress
        self._window, self._lookahead = pipeline.window, pipeline.lookahead
        self._items = iter(items)
        self._lock = threading.Lock()
        self._has_work, self._has_result = threading.Condition(self._lock), threading.Condition(self._lock)
        self._queues: list[deque[_Passing]] = [deque() for _ in self._stages]  # in front of each stage
        self._results: deque[Finished[Item]] = deque()
        self._outstanding = self._in_stages = 0
        self._pulls, self._closed = True, False
        self._input_error: Exception | None = None
        self._threads = self._start_threads()

    def __next__(self) -> Finished[Item]:
        self._pull()  # with that of the loop two for each result, so that the lookahead fills up
        while self._pull() and not self._results:
            pass
        with self._lock:
            while not self._results and self._outstanding:
                self._has_result.wait()
            if self._results:
                self._outstanding -= 1
                return self._results.popleft()
            error, self._input_error = self._input_error, None
        self.close()
        if error is not None:
            raise error
        raise StopIteration

    def stop(self) -> None:
        """Pull no more, drop what has not begun; `next` still returns the results of what is in the stages."""
        with self._lock:
            self._pulls = False
            self._outstanding -= len(self._queues[0])
            self._queues[0].clear()
            self._has_result.notify_all()

    def close(self) -> None:
        """Drop everything and wait for the threads, each of which finishes the call that it is in."""
        with self._lock:
            self._pulls, self._closed = False, True
            self._results.clear()
            for queue in self._queues:
                queue.clear()
            self._outstanding = 0
            self._has_work.notify_all()
            self._has_result.notify_all()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Run[Item]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pull(self) -> bool:
        """Pull an item if there is room; return whether one was pulled."""
        if not self._pulls or self._outstanding >= self._lookahead:
            return False
        try:
            item = next(self._items)
        except StopIteration:
            self._pulls = False
            return False
        except Exception as error:
            self._pulls, self._input_error = False, error
            return False
        self._progress.take()
        with self._lock:
            self._outstanding += 1
            self._queues[0].append(_Passing(item, item))
            self._has_work.notify_all()
        return True

    def _start_threads(self) -> list[threading.Thread]:
        pools: dict[str, list[int]] = {}
        for place, stage in enumerate(self._stages):
            pools.setdefault(stage.pool or f"{stage.name} ({place})", []).append(place)
        threads = [
            threading.Thread(target=self._serve, args=(places,), name=f"pipeline {name}", daemon=True)
            for name, places in pools.items()
            for _ in range(max(self._stages[place].threads for place in places))
        ]
        for thread in threads:
            thread.start()
        return threads

    def _serve(self, places: Sequence[int]) -> None:
        """Work on what waits in front of the stages at `places`, until the run is closed."""
        while True:
            with self._lock:
                while not self._closed and (place := self._choose(places)) is None:
                    self._has_work.wait()
                if self._closed:
                    return
                assert place is not None
                batch = self._take(place)
            self._work(place, batch)

    def _choose(self, places: Sequence[int]) -> int | None:
        """Choose the last stage with a full batch, else the last one with anything; None if nothing can begin."""
        partial = None
        for place in reversed(places):
            ready = self._ready(place)
            if ready >= self._stages[place].batch_size:
                return place
            partial = place if ready and partial is None else partial
        return partial

    def _ready(self, place: int) -> int:
        waiting = len(self._queues[place])
        return waiting if place else min(waiting, self._window - self._in_stages)

    def _take(self, place: int) -> list[_Passing]:
        count = min(self._ready(place), self._stages[place].batch_size)
        if not place:
            self._in_stages += count
        return [self._queues[place].popleft() for _ in range(count)]

    def _work(self, place: int, batch: Sequence[_Passing]) -> None:
        """Run a stage on a batch and pass each item on, to the next stage or to the results."""
        stage, started = self._stages[place], time.perf_counter()
        values = run_batch(stage, [passing.value for passing in batch])
        failed = sum(isinstance(value, Failed) for value in values)
        seconds = time.perf_counter() - started
        self._progress.pass_stage(stage.name, items=len(batch) - failed, failed=failed, seconds=seconds)
        with self._lock:
            if self._closed:
                return
            for passing, value in zip(batch, values, strict=True):
                if isinstance(value, Failed):
                    self._finish(Finished(passing.item, error=value.error, stage=stage.name))
                elif place + 1 == len(self._stages):
                    self._finish(Finished(passing.item, value))
                else:
                    self._queues[place + 1].append(_Passing(passing.item, value))
            self._has_work.notify_all()

    def _finish(self, finished: Finished[Any]) -> None:
        self._in_stages -= 1
        self._results.append(finished)
        self._progress.finish(failed=finished.error is not None)
        self._has_result.notify_all()
