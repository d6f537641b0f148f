"""Small documents that all replicas share: bytes under a name, in Redis, kept until they are replaced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import redis

from backend.cache.stores import CacheCounts

log = logging.getLogger(__name__)


class RedisDocuments:
    """Documents in Redis. One that is away is warned of once an outage and answers as if it held nothing.

    Redis is then left alone for `pause_seconds`, so that an outage costs one timeout and not one for each click.
    Making one connects nothing.
    """

    pause_seconds = 5.0

    def __init__(self, url: str, timeout_seconds: float, counts: CacheCounts | None = None) -> None:
        """Raises ValueError for an address that is none."""
        self._redis = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry_on_timeout=False
        )
        self._counts = counts or CacheCounts()
        self._paused_until = 0.0
        self._failing = False

    def get(self, name: str) -> bytes | None:
        """The document; None where there is none, or Redis is away."""
        found = self._ask(lambda: self._redis.get(name))
        return found if isinstance(found, bytes) else None

    def put(self, name: str, document: bytes) -> None:
        """Keep it without an end; a Redis that is away misses it."""
        self._ask(lambda: self._redis.set(name, document))

    def _ask(self, question: Callable[[], Any]) -> Any:
        if time.monotonic() < self._paused_until:
            return None
        try:
            answer = question()
        except Exception as error:  # a helper: whatever its client library trips over, this process has a copy
            self._counts.add("redis_errors")
            self._paused_until = time.monotonic() + self.pause_seconds
            if not self._failing:
                log.warning("Redis fails (%s); project settings are as this process last saw them.", error)
            self._failing = self._counts.redis_away = True
            return None
        self._failing = self._counts.redis_away = False
        return answer
