"""The two tiers of the embedding cache: in this process, and in Redis for all workers."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backend.cache.codec import (
    CODEC_VERSION,
    MAX_HEADER_BYTES,
    decode_embedding,
    encode_embedding,
    find_array_that_is_not_finite,
)
from backend.cache.redis_client import GuardedRedis
from backend.cache.seal import DamagedEntry, Seal
from backend.runtime import LeastRecentlyUsed
from backend.values import EmbeddingSpec, ImageEmbedding

log = logging.getLogger(__name__)

_LEASE_ENDS = """
local remaining = redis.call('pttl', KEYS[1])
if remaining == -1 or remaining > tonumber(ARGV[1]) then redis.call('del', KEYS[1]) remaining = -2 end
"""  # a worker sets every lease to expire; one without expiry, or with a longer one, would be waited for in vain
_IS_LEASED = f"{_LEASE_ENDS} if remaining == -2 then return 0 end return 1"
_ACQUIRE = f"""{_LEASE_ENDS}
if remaining ~= -2 then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[1]) return 1
"""
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[2] then return redis.call('pexpire', KEYS[1], ARGV[1]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[2] then return redis.call('del', KEYS[1]) end return 0"


class LocalStore(LeastRecentlyUsed[str, ImageEmbedding]):
    """LRU cache of embeddings in this process; `max_prefetched` is the share of `max_bytes` for prefetched ones."""

    def __init__(self, max_bytes: int, max_prefetched: int = 0) -> None:
        super().__init__(max_bytes, lambda embedding: embedding.nbytes, max_prefetched)

    @property
    def nbytes(self) -> int:
        return self.cost


class RedisStore:
    """Embeddings in Redis, and leases that let one worker compute an embedding while the others wait for it.

    Any failure counts as a cache miss, including an entry that is not what this backend stored under its name. Names in
    Redis start with the codec's version and the seal's suffix, so replicas of two versions, or with two keys, can share
    a Redis without touching each other's entries and leases.

    Args:
        ttl_seconds: Time to live of an embedding.
        seal: Checksums of the entries.
    """

    lease_seconds = 10.0

    def __init__(self, client: GuardedRedis, ttl_seconds: int, seal: Seal | None = None) -> None:
        self._client, self._ttl_seconds, self._seal = client, ttl_seconds, seal or Seal()
        self.counts = client.counts

    @property
    def is_healthy(self) -> bool:
        """Whether Redis answered the last command."""
        return self._client.is_healthy

    def get(self, key: str, expected: EmbeddingSpec) -> ImageEmbedding | None:
        """Return the embedding; None if there is none that is as `expected`. A damaged entry is deleted."""
        name = self._name(key)
        max_bytes = self._seal.nbytes + MAX_HEADER_BYTES + expected.nbytes
        data = self._client.execute(lambda redis: redis.getrange(name, 0, max_bytes))  # one byte more, to notice it
        if not data:
            return None
        try:
            return decode_embedding(self._seal.verify(name, data), expected)
        except DamagedEntry as error:
            self.counts.add("damaged")
            log.warning("Redis returned a damaged entry for %s (%s); it is computed again.", key, error)
            self._client.execute(lambda redis: redis.delete(name))
            return None

    def has(self, key: str) -> bool:
        """Whether there is an entry; does not read it."""
        return bool(self._client.execute(lambda redis: redis.exists(self._name(key))))

    def put(self, key: str, embedding: ImageEmbedding) -> bool:
        """Store an embedding; return whether it was stored.

        Raises:
            ValueError: An array of a dtype that the codec cannot write.
        """
        name, content = self._name(key), encode_embedding(embedding)
        if (array := find_array_that_is_not_finite(embedding)) is not None:
            log.warning("The encoder's output for %s is not stored: array %r is not finite.", key, array)
            is_stored = False
        else:
            data = self._seal.add(name, content)
            is_stored = self._client.store(lambda redis: redis.set(name, data, ex=self._ttl_seconds))
        if not is_stored:
            self.counts.add("not_stored")
        return is_stored

    @contextmanager
    def lease(self, key: str) -> Iterator[bool]:
        """Try to acquire the lease on computing `key`; yield whether that succeeded, True if Redis does not answer.

        The lease is renewed while its holder computes, and expires soon after the holder dies.
        """
        name, token = lease_key(key, self._seal), uuid.uuid4().hex
        held = self._run_script(_ACQUIRE, name, token)
        if held == 0:
            yield False
            return
        done = threading.Event()
        if held:
            threading.Thread(target=self._renew, args=(name, token, done), daemon=True).start()
        try:
            yield True
        finally:
            done.set()
            if held:
                self._run_script(_RELEASE, name, token)

    def is_leased(self, key: str) -> bool:
        """Whether any worker is computing `key`; False if Redis does not answer."""
        return bool(self._run_script(_IS_LEASED, lease_key(key, self._seal)))

    def _renew(self, name: str, token: str, done: threading.Event) -> None:
        while not done.wait(self.lease_seconds / 3):
            self._run_script(_RENEW, name, token)

    def _run_script(self, script: str, name: str, token: str = "") -> Any:
        """Run one of the scripts above, which all take the lease's name, its milliseconds and its holder."""
        arguments: list[int | str] = [int(self.lease_seconds * 1000), token]
        return self._client.execute(lambda redis: redis.register_script(script)(keys=[name], args=arguments))

    def _name(self, key: str) -> str:
        return redis_key(key, self._seal)


def redis_key(key: str, seal: Seal | None = None) -> str:
    """Return the name of an embedding's entry in Redis."""
    return f"codec{CODEC_VERSION}{'' if seal is None else seal.suffix}:{key}"


def lease_key(key: str, seal: Seal | None = None) -> str:
    """Return the name of the lease on an embedding that is being computed."""
    return f"{redis_key(key, seal)}:lease"
