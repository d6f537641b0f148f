"""Rate limits as token buckets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

from backend.runtime.lru import LeastRecentlyUsed


class TokenBucket:
    """Rate limit that allows bursts; thread-safe. It starts full.

    Args:
        per_second: Tokens that are added each second.
        burst: Tokens that the bucket holds at most.
        clock: Monotonic seconds.
    """

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._tokens, self._filled_at = float(burst), clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one token; return False if there is none."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class TokenBuckets:
    """One token bucket for each key; the keys used least recently are forgotten. Thread-safe.

    Args:
        per_second, burst, clock: Of each bucket.
        max_keys: Number of buckets that are kept.
    """

    def __init__(
        self, per_second: float, burst: int, max_keys: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets = LeastRecentlyUsed[Hashable, TokenBucket](max_keys)
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> bool:
        """Take one token of this key's bucket; return False if there is none."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = TokenBucket(self._per_second, self._burst, clock=self._clock)
                self._buckets.put(key, bucket)
        return bucket.take()
