"""Encoded images in memory within a budget, and one fetch for many who miss at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from backend.runtime import LeastRecentlyUsed


@dataclass(frozen=True)
class CachedImage:
    """Encoded bytes, when they were last known to be right (monotonic seconds), and how to ask if they still are."""

    content: bytes
    checked_at: float
    is_immutable: bool = False
    validators: Mapping[str, str] = field(default_factory=dict)


class ImageCache(LeastRecentlyUsed[Hashable, CachedImage]):
    """At most `max_bytes` of images, of which `max_ahead` for those nobody asked for yet."""

    def __init__(self, max_bytes: int, max_ahead: int = 0) -> None:
        super().__init__(max_bytes, lambda image: len(image.content), max_ahead)


class SingleFlight:
    """Runs one call per key at a time; whoever comes meanwhile gets its value or its error."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Future[bytes]] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, call: Callable[[], bytes], wait_seconds: float | None = None) -> bytes:
        """What `call` returns.

        Args:
            wait_seconds: After these whoever asked goes; the call itself goes on, on a thread of its own.

        Raises:
            TimeoutError: It took longer than `wait_seconds`.
            Whatever `call` raises.
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

    def _lead(self, key: Hashable, flight: Future[bytes], call: Callable[[], bytes]) -> None:
        try:
            flight.set_result(call())
        except BaseException as error:  # handed to all who wait, this thread among them
            flight.set_exception(error)
        finally:
            with self._lock:
                self._flights.pop(key, None)
