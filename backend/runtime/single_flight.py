"""One call per key at a time, its result shared by all who want it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    """Calls that run once for all threads that want the same key at the same time.

    Each of them gets the future of the one call, and with it the value or the error. How long a caller waits for it is
    up to the caller; the call goes on. A finished call is forgotten before its future is done, so a caller that has
    seen its result and asks again starts a new one.
    """

    def __init__(self) -> None:
        self._running: dict[Key, Future[Value]] = {}
        self._lock = threading.Lock()

    def run(self, key: Key, call: Callable[[], Value]) -> Future[Value]:
        """Run `call` on this thread, unless a call of this key is running already.

        Returns:
            A future that is done if this thread ran the call. That of another thread is returned at once, done or not.
        """
        future, is_leader = self._join(key)
        if is_leader:
            self._complete(key, future, call)
        return future

    def start(self, key: Key, call: Callable[[], Value]) -> Future[Value]:
        """Run `call` on a thread of its own, unless a call of this key is running already; return its future.

        It runs in the context of the calling thread, so it logs for the same request.
        """
        future, is_leader = self._join(key)
        if is_leader:
            run, arguments = copy_context().run, (self._complete, key, future, call)
            threading.Thread(target=run, args=arguments, name="single-flight", daemon=True).start()
        return future

    def _join(self, key: Key) -> tuple[Future[Value], bool]:
        """The future of the running call; with True, that of a call which the caller has to make."""
        with self._lock:
            future = self._running.get(key)
            if future is not None:
                return future, False
            future = self._running[key] = Future()
            return future, True

    def _complete(self, key: Key, future: Future[Value], call: Callable[[], Value]) -> None:
        try:
            value = call()
        except BaseException as error:  # for all who wait, the calling thread among them
            self._forget(key)
            future.set_exception(error)
        else:
            self._forget(key)
            future.set_result(value)

    def _forget(self, key: Key) -> None:
        with self._lock:
            del self._running[key]
