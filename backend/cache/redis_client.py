"""The one connection of a process to Redis, behind a circuit breaker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from backend.cache.counts import CacheCounts

log = logging.getLogger(__name__)


class GuardedRedis:
    """Redis client with a circuit breaker, shared by everything in the process that uses the same Redis.

    An outage (refused connection, timeout, garbage) is logged once, and no command is sent for `pause_seconds` after a
    failure, so an outage costs the process one timeout and not one for each click. A command that Redis answers with
    an error, because it is out of memory or read-only, is no outage: what it holds can still be read. Such refusals are
    logged once, until Redis stores something again.

    Args:
        url: As redis://host:6379/0. Nothing is connected before the first command.
        timeout_seconds: For connecting, and for each answer.
        counts: Where errors are counted.

    Raises:
        ValueError: The URL is invalid.
    """

    pause_seconds = 2.0

    def __init__(self, url: str, timeout_seconds: float, counts: CacheCounts | None = None) -> None:
        self.counts = counts or CacheCounts()
        self._redis = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry_on_timeout=False
        )
        self._paused_until = 0.0
        self._is_refusing = False
        self._lock = threading.Lock()

    @property
    def is_healthy(self) -> bool:
        """Whether Redis answered the last command."""
        return not self.counts.redis_away

    def ping(self) -> bool:
        """Whether Redis answers now."""
        return bool(self.ask(lambda client: client.ping()))

    def ask(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Run a command and return Redis's answer; None if it is refused, fails, or falls into a pause."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            answer = command(self._redis)
        except redis.ResponseError as error:
            self._record_refusal(error)
            return None
        except Exception as error:  # whatever the client library raises: no answer depends on Redis
            self._record_outage(error)
            return None
        self._record_answer()
        return answer

    def store(self, command: Callable[[redis.Redis], Any]) -> None:
        """Run a command that stores a value, if Redis can be reached and has room for it."""
        if self.ask(command):
            self._is_refusing = False

    def _record_refusal(self, error: Exception) -> None:
        self.counts.add("redis_errors")
        with self._lock:
            is_first, self._is_refusing = not self._is_refusing, True
        if is_first:
            log.warning("Redis refuses a command (%s); what it does not store is computed again when needed.", error)

    def _record_outage(self, error: Exception) -> None:
        self.counts.add("redis_errors")
        with self._lock:
            is_first, self.counts.redis_away = not self.counts.redis_away, True
            self._paused_until = time.monotonic() + self.pause_seconds
        if is_first:
            log.warning(
                "Redis does not answer (%s). Until it does, embeddings are computed here, and project settings are as "
                "this process last saw them.",
                error,
            )

    def _record_answer(self) -> None:
        if not self.counts.redis_away:
            return
        with self._lock:
            is_first, self.counts.redis_away = self.counts.redis_away, False
        if is_first:
            log.warning("Redis answers again.")
