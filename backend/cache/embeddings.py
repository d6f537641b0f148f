"""EmbeddingCache: get an embedding or compute it once, for all threads and all workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from backend.cache.stores import CacheCounts, LocalStore, RedisStore
from backend.values import ImageEmbedding


class EmbeddingCache:
    """Get an embedding or compute it once.

    Args:
        local: This process's tier.
        shared: Redis, or None.
    """

    poll_seconds = 0.02

    def __init__(self, local: LocalStore, shared: RedisStore | None = None, counts: CacheCounts | None = None) -> None:
        self._local, self._shared = local, shared
        self.counts = counts or CacheCounts()
        self._computing: dict[str, Future[ImageEmbedding]] = {}
        self._lock = threading.Lock()

    def get_or_compute(self, key: str, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        """Return the embedding named `key`; of several threads and workers that miss at once, one computes it.

        Raises:
            Whatever `compute` raises, to all who waited for it; the next caller tries anew.
        """
        found = self._local.get(key)
        if found is not None:
            self.counts.add("local_hits")
            return found
        with self._lock:
            future = self._computing.get(key)
            if future is None:
                mine = self._computing[key] = Future()
        if future is not None:
            return future.result()
        try:
            mine.set_result(self._find_or_compute(key, compute))
        except BaseException as error:  # for those who wait for it too; it is raised below
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._computing[key]
        return mine.result()

    def holds(self, key: str) -> bool:
        """Whether `key` is in this process's tier or in Redis."""
        return self._local.get(key) is not None or (self._shared is not None and self._shared.get(key) is not None)

    @property
    def nbytes(self) -> int:
        return self._local.nbytes

    @property
    def description(self) -> str:
        """Where embeddings are kept, in words."""
        if self._shared is None:
            return "in this process"
        return "in Redis" if self._shared.healthy else "in this process, because Redis does not answer"

    def _find_or_compute(self, key: str, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        found = self._local.get(key)  # somebody may have been done just before this thread became the one
        if found is not None:
            self.counts.add("local_hits")
            return found
        embedding = self._from_shared_or_compute(key, compute)
        self._local.put(key, embedding)
        return embedding

    def _from_shared_or_compute(self, key: str, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        if self._shared is None:
            return self._compute(compute)
        while True:
            found = self._shared.get(key)
            if found is not None:
                self.counts.add("redis_hits")
                return found
            with self._shared.lease(key) as mine:
                if mine:
                    embedding = self._shared.get(key) or self._compute(compute)
                    self._shared.put(key, embedding)
                    return embedding
            time.sleep(self.poll_seconds)

    def _compute(self, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        embedding = compute()
        self.counts.add("computed")
        return embedding
