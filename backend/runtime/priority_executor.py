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
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar

from backend.errors import Overloaded
from backend.runtime.deadline import NO_DEADLINE, Deadline
from backend.runtime.stages import add_waited
from backend.values import Priority

T = TypeVar("T")
_make_way: ContextVar[Callable[[], None]] = ContextVar("make_way", default=lambda: None)


def make_way() -> None:
    """Let clicks go first: between two parts of bulk work, wait until no click is queued or running.

    Does nothing in work of a higher priority.

    Raises:
        Overloaded, ClientDisconnected: The request that queued the work is over.
    """
    _make_way.get()()


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
        self._clicks = 0  # queued or running
        self._has_thread_for_clicks = for_clicks > 0  # without one, bulk work could wait for clicks that wait for it
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
        future, seconds = self.submit(priority, work, deadline), deadline.remaining
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

    def submit(self, priority: Priority, work: Callable[[], T], deadline: Deadline = NO_DEADLINE) -> Future[T]:
        """Queue `work`; the future may be cancelled while it waits. Raises `Overloaded`.

        Args:
            deadline: At which bulk work stops where it makes way.
        """
        future: Future[T] = Future()
        context = copy_context()
        if priority is Priority.BULK and self._has_thread_for_clicks:
            context.run(_make_way.set, partial(self._wait_for_clicks, deadline))
        with self._changed:
            if self._closed:
                raise Overloaded("The backend is shutting down.", remedy="Try again after the restart.")
            run: Callable[[], Any] = partial(context.run, _run_queued, work, time.perf_counter())
            heapq.heappush(self._waiting, (int(priority), next(self._order), future, run))
            self._clicks += priority == Priority.CLICK
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
            priority, future, work = task
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(work())
            except BaseException as error:  # raised again by the future's result()
                future.set_exception(error)
            if priority == Priority.CLICK:
                with self._changed:
                    self._clicks -= 1
                    self._changed.notify_all()
            del future, work, task  # or the last result's arrays would live until the next call

    def _wait_for_clicks(self, deadline: Deadline) -> None:
        """Wait until no click is queued or running, or the deadline is over."""
        deadline.raise_if_over()
        with self._changed:
            while self._clicks and not self._closed:
                self._changed.wait(deadline.poll_seconds)
                deadline.raise_if_over()

    def _next(self, clicks_only: bool) -> tuple[int, Future[Any], Callable[[], Any]] | None:
        def has_work() -> bool:
            return bool(self._waiting) and (not clicks_only or self._waiting[0][0] == Priority.CLICK)

        with self._changed:
            self._changed.wait_for(lambda: has_work() or self._closed)
            if not self._waiting:
                return None
            priority, _, future, work = heapq.heappop(self._waiting)
            return priority, future, work


def _run_queued(work: Callable[[], T], queued_at: float) -> T:
    add_waited("queue", time.perf_counter() - queued_at)
    return work()
