"""The two tiers of the embedding cache: in this process, and in Redis for all workers."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from backend.cache.codec import CODEC_VERSION, DamagedEntry, decode_embedding, encode_embedding
from backend.cache.redis_client import GuardedRedis
from backend.runtime import LeastRecentlyUsed
from backend.values import ImageEmbedding

log = logging.getLogger(__name__)

_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class LocalStore(LeastRecentlyUsed[str, ImageEmbedding]):
    """LRU cache of embeddings in this process; `max_prefetched` is the share of `max_bytes` for prefetched ones."""

    def __init__(self, max_bytes: int, max_prefetched: int = 0) -> None:
        super().__init__(max_bytes, lambda embedding: embedding.nbytes, max_prefetched)

    @property
    def nbytes(self) -> int:
        return self.cost


class RedisStore:
    """Embeddings in Redis, and leases that let one worker compute an embedding while the others wait for it.

    Any failure counts as a cache miss, including damaged bytes. Keys in Redis start with the codec's version, so
    replicas of two versions can share a Redis without touching each other's entries and leases.
    """

    lease_seconds = 10.0

    def __init__(self, client: GuardedRedis, ttl_seconds: int) -> None:
        self._client, self._ttl_seconds = client, ttl_seconds
        self.counts = client.counts

    @property
    def is_healthy(self) -> bool:
        """Whether Redis answered the last command."""
        return self._client.is_healthy

    def get(self, key: str) -> ImageEmbedding | None:
        data = self._client.execute(lambda redis: redis.get(redis_key(key)))
        if data is None:
            return None
        try:
            return decode_embedding(data)
        except DamagedEntry as error:
            self.counts.add("damaged")
            log.warning("Redis returned a damaged entry for %s (%s); it is computed again.", key, error)
            self._client.execute(lambda redis: redis.delete(redis_key(key)))
            return None

    def has(self, key: str) -> bool:
        """Whether there is an entry; does not read it."""
        return bool(self._client.execute(lambda redis: redis.exists(redis_key(key))))

    def put(self, key: str, embedding: ImageEmbedding) -> None:
        data = encode_embedding(embedding)
        self._client.store(lambda redis: redis.set(redis_key(key), data, ex=self._ttl_seconds))

    @contextmanager
    def lease(self, key: str) -> Iterator[bool]:
        """Try to acquire the lease on computing `key`; yield whether that succeeded, True if Redis does not answer.

        The lease is renewed while its holder computes, and expires soon after the holder dies.
        """
        name, token = lease_key(key), uuid.uuid4().hex
        milliseconds = int(self.lease_seconds * 1000)
        held = self._client.execute(lambda redis: redis.set(name, token, nx=True, px=milliseconds) or False)
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
                self._client.execute(lambda redis: redis.register_script(_RELEASE)(keys=[name], args=[token]))

    def is_leased(self, key: str) -> bool:
        """Whether any worker is computing `key`; False if Redis does not answer."""
        return bool(self._client.execute(lambda redis: redis.exists(lease_key(key))))

    def _renew(self, name: str, token: str, milliseconds: int, done: threading.Event) -> None:
        while not done.wait(self.lease_seconds / 3):
            self._client.execute(lambda redis: redis.register_script(_RENEW)(keys=[name], args=[token, milliseconds]))


def redis_key(key: str) -> str:
    """Return the name of an embedding's entry in Redis."""
    return f"codec{CODEC_VERSION}:{key}"


def lease_key(key: str) -> str:
    """Return the name of the lease on an embedding that is being computed."""
    return f"{redis_key(key)}:lease"
