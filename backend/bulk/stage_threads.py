"""The threads that carry items through the stages; what has left them is handed to a callback."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backend.bulk.progress import Progress
from backend.bulk.stage import Failed, Finished, Stage, run_batch


@dataclass
class _Passing:
    """An item between two stages."""

    item: Any
    value: Any


class StageThreads:
    """The running threads of a pipeline.

    Args:
        stages: In their order.
        window: Maximum number of items in the stages; further ones wait in front of the first.
        progress: Counters.
        deliver: Called with what has left the stages, on one of their threads.
        dropped: Called with the number of items that were dropped, see `drop_waiting`.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        window: int,
        progress: Progress,
        deliver: Callable[[Finished[Any]], None],
        dropped: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._stages, self._window, self._progress = stages, window, progress
        self._deliver, self._dropped = deliver, dropped
        self._costly = next((place for place, stage in enumerate(stages) if stage.pool), 0)
        self._has_work = threading.Condition()
        self._queues: list[deque[_Passing]] = [deque() for _ in stages]  # in front of each stage
        self._in_stages, self._drops, self._closed = 0, False, False
        self._threads = self._start_threads()

    def submit(self, item: Any) -> None:
        """Let an item wait in front of the first stage."""
        self._progress.take()
        with self._has_work:
            self._queues[0].append(_Passing(item, item))
            self._has_work.notify_all()

    def drop_waiting(self) -> None:
        """Drop the items that have not come to the first stage with a pool, now or when they come to it.

        Without pools it is the first stage. What comes before the models costs little and is soon done again.
        """
        with self._has_work:
            self._drops = True
            dropped = sum(map(len, self._queues[: self._costly + 1]))
            self._in_stages -= sum(map(len, self._queues[1 : self._costly + 1]))
            for queue in self._queues[: self._costly + 1]:
                queue.clear()
        self._dropped(dropped)

    def close(self) -> None:
        """Drop everything and wait for the threads, each of which finishes the call that it is in."""
        with self._has_work:
            self._closed = True
            for queue in self._queues:
                queue.clear()
            self._has_work.notify_all()
        for thread in self._threads:
            thread.join()

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
        """Work on what waits in front of the stages at `places`, until all is closed."""
        while True:
            with self._has_work:
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
        """Run a stage on a batch and pass each item on, to the next stage or out."""
        stage, started = self._stages[place], time.perf_counter()
        values = run_batch(stage, [passing.value for passing in batch])
        failed = sum(isinstance(value, Failed) for value in values)
        seconds = time.perf_counter() - started
        if stage.is_counted:
            self._progress.pass_stage(stage.name, items=len(batch) - failed, failed=failed, seconds=seconds)
        finished, dropped = list[Finished[Any]](), 0
        with self._has_work:
            if self._closed:
                return
            for passing, value in zip(batch, values, strict=True):
                if isinstance(value, Failed):
                    finished.append(Finished(passing.item, error=value.error, stage=stage.name))
                elif place + 1 == len(self._stages):
                    finished.append(Finished(passing.item, value))
                elif self._drops and place < self._costly:
                    dropped += 1
                else:
                    self._queues[place + 1].append(_Passing(passing.item, value))
            self._in_stages -= len(finished) + dropped
            self._has_work.notify_all()
        if dropped:
            self._dropped(dropped)
        for one in finished:
            self._progress.finish(failed=one.error is not None)
            self._deliver(one)
