"""Priority queue in front of the models, and in front of decoding images (see `values.Priority`)."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from backend.errors import Overloaded
from backend.runtime.deadline import NO_DEADLINE, Deadline
from backend.runtime.stages import add_waited
from backend.values import Priority

T = TypeVar("T")


class PriorityExecutor:
    """A few threads behind a priority queue; equal priorities run first in, first out.

    The queue has no limit of its own: each caller waits for its call, and `server.admission` limits the callers.

    Work runs in the context of the thread that queued it, so it logs and counts its time for the same request.

    Args:
        threads: Number of calls that run at once.
        for_clicks: Number of threads reserved for clicks, which then never wait for prefetching or bulk work.
        name: Names the threads, and the queue in messages.
    """

    def __init__(self, threads: int, for_clicks: int = 0, *, name: str = "model") -> None:
        self._name = name
        self._waiting: list[tuple[int, int, Future[Any], Callable[[], Any]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(i < for_clicks,), name=f"{name}-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, priority: Priority, work: Callable[[], T], deadline: Deadline = NO_DEADLINE) -> T:
        """Queue `work`, wait for it and return its result; on a timeout or a disconnect it is cancelled.

        Raises:
            Overloaded: The call timed out.
            ClientDisconnected: The client disconnected.
            Whatever `work` raises.
        """
        deadline.raise_if_disconnected()
        queued_at = time.perf_counter()
        future, seconds = self.submit(priority, work), deadline.remaining
        try:
            while True:
                with suppress(FutureTimeout):
                    return future.result(deadline.poll_seconds)
                if future.done():  # the work itself raised a TimeoutError, or ended just now
                    return future.result()
                deadline.raise_if_disconnected()
                if deadline.has_passed:
                    raise Overloaded(
                        f"Timed out after {seconds:.0f} s in the {self._name} queue ({self.waiting} waiting).",
                        remedy="Try again in a moment, or add a replica or a GPU.",
                    )
        finally:
            if future.cancel():  # running work goes on
                add_waited("queue", time.perf_counter() - queued_at)

    def submit(self, priority: Priority, work: Callable[[], T]) -> Future[T]:
        """Queue `work`; the future may be cancelled while it waits. Raises `Overloaded`."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise Overloaded("The backend is shutting down.", remedy="Try again after the restart.")
            run: Callable[[], Any] = partial(copy_context().run, _run_queued, work, time.perf_counter())
            heapq.heappush(self._waiting, (int(priority), next(self._order), future, run))
            self._changed.notify_all()  # notify() might wake a thread that is reserved for clicks
        return future

    @property
    def waiting(self) -> int:
        """Number of calls in the queue."""
        return len(self._waiting)

    @property
    def waiting_by_priority(self) -> dict[Priority, int]:
        """Number of calls in the queue by priority, without those whose caller has given up."""
        with self._changed:
            waiting = Counter(priority for priority, _, future, _ in self._waiting if not future.cancelled())
        return {priority: waiting[priority] for priority in Priority}

    def close(self) -> None:
        """Cancel queued work and refuse new work; running work ends by itself."""
        with self._changed:
            self._closed = True
            for _, _, future, _ in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def _work(self, clicks_only: bool) -> None:
        while (task := self._next(clicks_only)) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # raised again by the future's result()
                future.set_exception(error)
            del future, work, task  # or the last result's arrays would live until the next call

    def _next(self, clicks_only: bool) -> tuple[Future[Any], Callable[[], Any]] | None:
        def has_work() -> bool:
            return bool(self._waiting) and (not clicks_only or self._waiting[0][0] == Priority.CLICK)

        with self._changed:
            self._changed.wait_for(lambda: has_work() or self._closed)
            if not self._waiting:
                return None
            _, _, future, work = heapq.heappop(self._waiting)
            return future, work


def _run_queued(work: Callable[[], T], queued_at: float) -> T:
    add_waited("queue", time.perf_counter() - queued_at)
    return work()
