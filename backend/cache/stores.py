"""Where embeddings are kept: in this process, and in Redis for all workers."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis

from backend.cache.codec import DamagedEntry, from_bytes, to_bytes
from backend.runtime import LeastRecentlyUsed
from backend.values import ImageEmbedding

log = logging.getLogger(__name__)


@dataclass
class CacheCounts:
    """What happened so far; read by the metrics and the status page.

    `redis_away`: whoever asked Redis last, for embeddings or for documents, got no answer.
    """

    local_hits: int = 0
    redis_hits: int = 0
    computed: int = 0
    redis_errors: int = 0
    damaged: int = 0
    redis_away: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)


class LocalStore(LeastRecentlyUsed[str, ImageEmbedding]):
    """An LRU of embeddings in this process within `max_bytes`, of which `max_ahead` for those nobody asked for yet."""

    def __init__(self, max_bytes: int, max_ahead: int = 0) -> None:
        super().__init__(max_bytes, lambda embedding: embedding.nbytes, max_ahead)

    @property
    def nbytes(self) -> int:
        return self.cost


class RedisStore:
    """Embeddings in Redis, and leases that let one worker compute while the others wait.

    Any failure (down, slow, full, damaged bytes) is warned of once an outage, counted, and answered as a miss; for
    `pause_seconds` Redis is then left alone, so that an outage costs one timeout and not one for each click. A Redis
    that answers but refuses (it is full, it is read-only) is not an outage: what it holds is still read.
    """

    lease_seconds = 10.0
    pause_seconds = 2.0

    def __init__(self, url: str, ttl_seconds: int, timeout_seconds: float, counts: CacheCounts) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry_on_timeout=False
        )
        self._ttl_seconds = ttl_seconds
        self._counts = counts
        self._paused_until = 0.0
        self._failing = False
        self._refusing = False
        self._renewal = self._redis.register_script(
            "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
        )
        self._release = self._redis.register_script(
            "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
        )

    @property
    def healthy(self) -> bool:
        return not self._counts.redis_away

    def get(self, key: str) -> ImageEmbedding | None:
        data = self._ask(lambda: self._redis.get(key))
        if data is None:
            return None
        try:
            return from_bytes(data)
        except DamagedEntry as error:
            self._counts.add("damaged")
            log.warning("Redis returned a damaged entry for %s (%s); it is computed again.", key, error)
            self._ask(lambda: self._redis.delete(key))
            return None

    def has(self, key: str) -> bool:
        """Whether there is an entry, which is not read."""
        return bool(self._ask(lambda: self._redis.exists(key)))

    def put(self, key: str, embedding: ImageEmbedding) -> None:
        if self._ask(lambda: self._redis.set(key, to_bytes(embedding), ex=self._ttl_seconds)):
            self._refusing = False

    def ping(self) -> bool:
        """Whether Redis answers now."""
        return bool(self._ask(lambda: self._redis.ping()))

    @contextmanager
    def lease(self, key: str) -> Iterator[bool]:
        """Try to become the one who computes `key`. Yields whether that worked, True also when Redis is away.

        The lease ends by itself soon after its holder dies, and is renewed while its holder computes.
        """
        name, token = f"{key}:lease", uuid.uuid4().hex
        milliseconds = int(self.lease_seconds * 1000)
        held = self._ask(lambda: self._redis.set(name, token, nx=True, px=milliseconds) or False)
        if held is False:
            yield False
            return
        done = threading.Event()
        if held:
            threading.Thread(target=self._renew, args=(name, token, milliseconds, done), daemon=True).start()
        try:
            yield True
        finally:
            done.set()
            if held:
                self._ask(lambda: self._release(keys=[name], args=[token]))

    def is_leased(self, key: str) -> bool:
        """Whether some worker computes `key` now; False also when Redis is away."""
        return bool(self._ask(lambda: self._redis.exists(f"{key}:lease")))

    def _renew(self, name: str, token: str, milliseconds: int, done: threading.Event) -> None:
        while not done.wait(self.lease_seconds / 3):
            self._ask(lambda: self._renewal(keys=[name], args=[token, milliseconds]))

    def _ask(self, question: Callable[[], Any]) -> Any:
        if time.monotonic() < self._paused_until:
            return None
        try:
            answer = question()
        except redis.ResponseError as error:
            self._counts.add("redis_errors")
            if not self._refusing:
                log.warning("Redis refuses (%s); what it does not keep is computed again by whoever needs it.", error)
            self._refusing = True
            return None
        except Exception as error:  # a helper: whatever its client library trips over, the answer does not need it
            self._counts.add("redis_errors")
            self._paused_until = time.monotonic() + self.pause_seconds
            if not self._failing:
                log.warning("Redis does not answer (%s); embeddings are computed here until it is back.", error)
            self._failing = self._counts.redis_away = True
            return None
        if self._failing:
            log.warning("Redis is back.")
        self._failing = self._counts.redis_away = False
        return answer
