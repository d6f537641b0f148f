"""The embedding cache: each embedding is computed once for all threads and all workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from backend.cache.counts import CacheCounts
from backend.cache.stores import LocalStore, RedisStore
from backend.runtime import SingleFlight, note_embedding, timed
from backend.values import EmbeddingSpec, ImageEmbedding

POLL_SECONDS = 0.02
_SOURCES = {"local_hits": "memory", "redis_hits": "redis", "computed": "computed"}
Compute = Callable[[], ImageEmbedding]
Expect = Callable[[], EmbeddingSpec]


@dataclass(frozen=True)
class ComputedElsewhere:
    """An embedding that another thread of this process, or another worker, is computing.

    Attributes:
        result: Future of the thread that computes it, whose result is None if another worker turns out to hold the
            lease; None if it is known that another worker does.
        is_leased: Whether another worker still holds the lease.
    """

    result: Future[ImageEmbedding | None] | None = None
    is_leased: Callable[[], bool] = bool

    @property
    def is_pending(self) -> bool:
        """Whether the computation is still running."""
        return self.is_leased() if self.result is None else not self.result.done()

    def wait(self, seconds: float | None) -> ImageEmbedding | None:
        """Wait at most `seconds` for the embedding; None means that the caller must look it up again.

        Raises:
            Whatever the other thread's computation raised.
        """
        if self.result is not None:
            try:
                return self.result.result(seconds)
            except FutureTimeout:
                if self.result.done():  # raised by the computation, not by this wait
                    raise
                return None
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.is_leased() and (deadline is None or time.monotonic() < deadline):
            time.sleep(POLL_SECONDS)
        return None


class EmbeddingCache:
    """Two-tier cache of embeddings that computes each one once.

    Args:
        local: The tier in this process.
        shared: The tier in Redis, if there is one.
    """

    def __init__(self, local: LocalStore, shared: RedisStore | None = None) -> None:
        self._local, self._shared = local, shared
        self.counts = CacheCounts() if shared is None else shared.counts
        self._flights = SingleFlight[str, ImageEmbedding | None]()

    @timed("cache")
    def find(self, key: str, expect: Expect, *, prefetch: bool = False) -> ImageEmbedding | None:
        """Return the embedding if it is cached in this process or in Redis.

        Args:
            expect: Returns the arrays and sizes that it must have; asked only before Redis is.
            prefetch: Whether this is a prefetch (see `runtime.lru`).
        """
        embedding = self._find_local(key, prefetch)
        if embedding is None and self._shared is not None:
            embedding = self._shared.get(key, expect())
            if embedding is not None:
                self._count("redis_hits")
                self._local.put(key, embedding, prefetch=prefetch)
        return embedding

    @timed("cache")
    def try_compute(
        self, key: str, expect: Expect, compute: Compute, *, prefetch: bool = False
    ) -> ImageEmbedding | ComputedElsewhere:
        """Compute and cache the embedding, but return at once if another thread or worker is computing it.

        The few threads that serve the models must not wait; the caller waits for `ComputedElsewhere` on its own thread.

        Args:
            expect, prefetch: As in `find`.

        Raises:
            Whatever `compute` raises, in every thread that waits for it; the next caller computes it again.
        """
        flight = self._flights.run(key, lambda: self._compute_under_lease(key, expect, compute, prefetch))
        if not flight.done():
            return ComputedElsewhere(flight)
        embedding = flight.result()
        return embedding if embedding is not None else ComputedElsewhere(is_leased=lambda: self._is_leased(key))

    def holds(self, key: str) -> bool:
        """Whether `key` is in this process's tier or in Redis. Does not count as a use in the LRU order."""
        return key in self._local or (self._shared is not None and self._shared.has(key))

    @property
    def uses_redis(self) -> bool:
        """Whether there is a tier in Redis, be it reachable or not."""
        return self._shared is not None

    @property
    def nbytes(self) -> int:
        return self._local.nbytes

    @property
    def description(self) -> str:
        """Where embeddings are cached, in words."""
        if self._shared is None:
            return "in this process"
        return "in Redis" if self._shared.is_healthy else "in this process, because Redis does not answer"

    def _find_local(self, key: str, prefetch: bool) -> ImageEmbedding | None:
        embedding = self._local.peek(key) if prefetch else self._local.get(key)
        if embedding is not None:
            self._count("local_hits")
        return embedding

    def _compute_under_lease(self, key: str, expect: Expect, compute: Compute, prefetch: bool) -> ImageEmbedding | None:
        """Return the embedding; None if another worker holds the lease."""
        cached = self._find_local(key, prefetch)  # another thread may have finished just before this one began
        if cached is not None:
            return cached
        if self._shared is None:
            embedding = self._compute(compute)
        else:
            with self._shared.lease(key) as is_acquired:
                if not is_acquired:
                    return None
                stored = self._shared.get(key, expect())
                embedding = self._compute(compute) if stored is None else stored
                if stored is None:
                    self._shared.put(key, embedding)
                else:
                    self._count("redis_hits")
        self._local.put(key, embedding, prefetch=prefetch)
        return embedding

    def _compute(self, compute: Compute) -> ImageEmbedding:
        embedding = compute()
        self._count("computed")
        return embedding

    def _count(self, source: str) -> None:
        """Count an embedding for the metrics, and note its source for the log of the request."""
        self.counts.add(source)
        note_embedding(_SOURCES[source])

    def _is_leased(self, key: str) -> bool:
        return self._shared is not None and self._shared.is_leased(key)
