"""The Redis client of a process, with a circuit breaker."""

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

    An outage (refused connection, timeout, invalid response) is logged once. After a failure no command is sent for
    `pause_seconds`, so an outage costs the process one timeout instead of one per click. A command that Redis rejects
    because it is out of memory or read-only is not an outage: existing entries can still be read. Such rejections are
    logged once, until Redis stores a value again.

    Args:
        url: Such as redis://host:6379/0. The connection is opened with the first command.
        timeout_seconds: For connecting, and for each response.
        counts: Counters to which errors are added.

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
        self._is_rejecting = False
        self._lock = threading.Lock()

    @property
    def is_healthy(self) -> bool:
        """Whether Redis answered the last command."""
        return not self.counts.redis_down

    def ping(self) -> bool:
        """Whether Redis answers now."""
        return bool(self.execute(lambda client: client.ping()))

    def execute(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Run a command and return Redis's response; None if it is rejected, fails, or falls into a pause."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            response = command(self._redis)
        except redis.ResponseError as error:
            self._record_rejection(error)
            return None
        except Exception as error:  # any error of the client library: Redis is optional
            self._record_outage(error)
            return None
        self._record_success()
        return response

    def store(self, command: Callable[[redis.Redis], Any]) -> bool:
        """Run a command that stores a value; return whether Redis stored it."""
        is_stored = bool(self.execute(command))
        if is_stored:
            self._is_rejecting = False
        return is_stored

    def _record_rejection(self, error: Exception) -> None:
        self.counts.add("redis_errors")
        with self._lock:
            is_first, self._is_rejecting = not self._is_rejecting, True
        if is_first:
            log.warning("Redis rejects a command (%s); values that it does not store are computed when needed.", error)

    def _record_outage(self, error: Exception) -> None:
        self.counts.add("redis_errors")
        with self._lock:
            is_first, self.counts.redis_down = not self.counts.redis_down, True
            self._paused_until = time.monotonic() + self.pause_seconds
        if is_first:
            log.warning(
                "Redis does not answer (%s). Until it does, embeddings are computed in this process, and project "
                "settings are those that it read last.",
                _reason(error),
            )

    def _record_success(self) -> None:
        if not self.counts.redis_down:
            return
        with self._lock:
            is_first, self.counts.redis_down = self.counts.redis_down, False
        if is_first:
            log.warning("Redis answers again.")


def _reason(error: Exception) -> str:
    """Describe an outage without the address, which in a misspelt REDIS_URL may be a part of the password."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError):
        return f"{type(error).__name__}: {cause.strerror or type(cause).__name__}"
    is_reply = isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
    return f"{type(error).__name__}: {error}" if is_reply else type(error).__name__
