"""Counters of the cache, for the metrics and the status page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class CacheCounts:
    """How often each thing happened since the process started; safe for threads.

    Attributes:
        redis_away: Redis did not answer the last command, whether that was about an embedding or a document.
    """

    local_hits: int = 0
    redis_hits: int = 0
    computed: int = 0
    redis_errors: int = 0
    damaged: int = 0
    redis_away: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        """Count one more."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)
