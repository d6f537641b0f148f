"""Counters of the cache, for the metrics and the status page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class CacheCounts:
    """Counters since the process started, and the state of Redis. Thread-safe.

    Attributes:
        damaged: Entries in Redis that were refused and deleted.
        not_stored: Computed embeddings that Redis did not store, be it because it did not answer.
        redis_down: Whether Redis did not answer the last command, be it for an embedding or a document.
    """

    local_hits: int = 0
    redis_hits: int = 0
    computed: int = 0
    redis_errors: int = 0
    damaged: int = 0
    not_stored: int = 0
    redis_down: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        """Increment a counter."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)
