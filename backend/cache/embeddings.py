"""EmbeddingCache: get an embedding or compute it once, for all threads and all workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from backend.cache.counts import CacheCounts
from backend.cache.stores import LocalStore, RedisStore
from backend.runtime import SingleFlight
from backend.values import ImageEmbedding

POLL_SECONDS = 0.02
Compute = Callable[[], ImageEmbedding]


@dataclass(frozen=True)
class ComputedElsewhere:
    """Somebody else computes it now: another thread of this process, or another worker.

    Attributes:
        result: Brings what a thread of this process makes; None where it had to leave it to another worker.
        is_leased: Whether another worker is still at it.
    """

    result: Future[ImageEmbedding | None] | None = None
    is_leased: Callable[[], bool] = bool

    @property
    def is_pending(self) -> bool:
        """Whether somebody is still at it."""
        return self.is_leased() if self.result is None else not self.result.done()

    def wait(self, seconds: float | None) -> ImageEmbedding | None:
        """Wait at most so long; None means: ask the cache again.

        Raises:
            Whatever the other thread's computation raised.
        """
        if self.result is not None:
            try:
                return self.result.result(seconds)
            except FutureTimeout:
                if self.result.done():  # the computation itself ran into a timeout of its own
                    raise
                return None
        end = None if seconds is None else time.monotonic() + seconds
        while self.is_leased() and (end is None or time.monotonic() < end):
            time.sleep(POLL_SECONDS)
        return None


class EmbeddingCache:
    """Get an embedding or compute it once.

    Args:
        local: This process's tier.
        shared: Redis, or None.
    """

    def __init__(self, local: LocalStore, shared: RedisStore | None = None) -> None:
        self._local, self._shared = local, shared
        self.counts = CacheCounts() if shared is None else shared.counts
        self._flights = SingleFlight[str, ImageEmbedding | None]()

    def get_or_compute(self, key: str, compute: Compute, *, prefetch: bool = False) -> ImageEmbedding:
        """Return the embedding named `key`; of several threads and workers that miss at once, one computes it.

        Args:
            prefetch: Whether this is a prefetch (see `runtime.lru`).

        Raises:
            Whatever `compute` raises, to all who waited for it; the next caller tries anew.
        """
        found = self.find(key, prefetch=prefetch)
        while found is None:
            made = self.try_compute(key, compute, prefetch=prefetch)
            found = made.wait(None) if isinstance(made, ComputedElsewhere) else made
        return found

    def find(self, key: str, *, prefetch: bool = False) -> ImageEmbedding | None:
        """The embedding, if this process or Redis keeps it."""
        found = self._find_here(key, prefetch)
        if found is None and self._shared is not None:
            found = self._shared.get(key)
            if found is not None:
                self.counts.add("redis_hits")
                self._local.put(key, found, prefetch=prefetch)
        return found

    def try_compute(self, key: str, compute: Compute, *, prefetch: bool = False) -> ImageEmbedding | ComputedElsewhere:
        """The same as `get_or_compute`, but where somebody else computes it this says so at once and does not wait.

        For the few threads that serve the models: whoever wants the embedding waits on a thread of their own.
        """
        flight = self._flights.run(key, lambda: self._compute_under_lease(key, compute, prefetch))
        if not flight.done():
            return ComputedElsewhere(flight)
        embedding = flight.result()
        return embedding if embedding is not None else ComputedElsewhere(is_leased=lambda: self._is_leased(key))

    def holds(self, key: str) -> bool:
        """Whether `key` is in this process's tier or in Redis; asking does not count as a use."""
        return key in self._local or (self._shared is not None and self._shared.has(key))

    @property
    def nbytes(self) -> int:
        return self._local.nbytes

    @property
    def description(self) -> str:
        """Where embeddings are kept, in words."""
        if self._shared is None:
            return "in this process"
        return "in Redis" if self._shared.is_healthy else "in this process, because Redis does not answer"

    def _find_here(self, key: str, prefetch: bool) -> ImageEmbedding | None:
        found = self._local.peek(key) if prefetch else self._local.get(key)
        if found is not None:
            self.counts.add("local_hits")
        return found

    def _compute_under_lease(self, key: str, compute: Compute, prefetch: bool) -> ImageEmbedding | None:
        """None: another worker has the lease."""
        found = self._find_here(key, prefetch)  # somebody may have been done just before this thread became the one
        if found is not None:
            return found
        if self._shared is None:
            embedding = self._compute(compute)
        else:
            with self._shared.lease(key) as mine:
                if not mine:
                    return None
                kept = self._shared.get(key)
                embedding = self._compute(compute) if kept is None else kept
                if kept is None:
                    self._shared.put(key, embedding)
                else:
                    self.counts.add("redis_hits")
        self._local.put(key, embedding, prefetch=prefetch)
        return embedding

    def _compute(self, compute: Compute) -> ImageEmbedding:
        embedding = compute()
        self.counts.add("computed")
        return embedding

    def _is_leased(self, key: str) -> bool:
        return self._shared is not None and self._shared.is_leased(key)
