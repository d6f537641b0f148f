"""A bounded store of encoded images in memory, least recently used out first; one fetch for many who miss at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CachedImage:
    """Encoded bytes, when they were last known to be right (monotonic seconds), and how to ask if they still are."""

    content: bytes
    checked_at: float
    is_immutable: bool = False
    validators: Mapping[str, str] = field(default_factory=dict)


class ImageCache:
    """At most `max_bytes` of images; safe for threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._nbytes = 0
        self._images: OrderedDict[Hashable, CachedImage] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        return self._nbytes

    def get(self, key: Hashable) -> CachedImage | None:
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    def put(self, key: Hashable, image: CachedImage) -> None:
        """Keep the image and let go of the oldest; one larger than the whole budget is not kept."""
        with self._lock:
            self._drop(key)
            if len(image.content) > self._max_bytes:
                return
            self._images[key] = image
            self._nbytes += len(image.content)
            while self._nbytes > self._max_bytes:
                self._drop(next(iter(self._images)))

    def _drop(self, key: Hashable) -> None:
        old = self._images.pop(key, None)
        if old is not None:
            self._nbytes -= len(old.content)


class SingleFlight:
    """Runs one call per key at a time; whoever comes meanwhile gets its value or its error."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Future[bytes]] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, call: Callable[[], bytes]) -> bytes:
        with self._lock:
            flight = self._flights.get(key)
            is_leader = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if is_leader:
            self._lead(key, flight, call)
        return flight.result()

    def _lead(self, key: Hashable, flight: Future[bytes], call: Callable[[], bytes]) -> None:
        try:
            flight.set_result(call())
        except BaseException as error:  # handed to all who wait, this thread among them
            flight.set_exception(error)
        finally:
            with self._lock:
                self._flights.pop(key, None)
