"""Deduplication of concurrent calls: of several threads that need the same value, one computes it for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SingleFlight(Generic[Value]):
    """At most one running call per key; threads that arrive during a call share its value or its error."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Future[Value]] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, call: Callable[[], Value], wait_seconds: float | None = None) -> Value:
        """Return what `call`, or the call that is already running for this key, returns.

        Args:
            wait_seconds: How long to wait; a call that takes longer continues on a thread of its own.

        Raises:
            TimeoutError: The call took longer than `wait_seconds`.
            Whatever the call raises.
        """
        with self._lock:
            flight = self._flights.get(key)
            is_leader = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if is_leader and wait_seconds is None:
            self._lead(key, flight, call)
        elif is_leader:
            threading.Thread(target=self._lead, args=(key, flight, call), name="fetch", daemon=True).start()
        return flight.result(wait_seconds)

    def _lead(self, key: Hashable, flight: Future[Value], call: Callable[[], Value]) -> None:
        try:
            flight.set_result(call())
        except BaseException as error:  # raised again in every waiting thread, this one included
            flight.set_exception(error)
        finally:
            with self._lock:
                self._flights.pop(key, None)
