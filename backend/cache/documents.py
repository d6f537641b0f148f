"""Small documents that all replicas share: bytes by name, in Redis, bounded in size, number and time.

Two sorted sets list the documents by their last use: those that are in use, and those that were only stored. Each drops
its oldest above its limit, so a flood of new documents never evicts one in use. Whatever drops out of the first set
goes to the second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import redis

from backend.cache.redis_client import GuardedRedis
from backend.cache.seal import DamagedEntry, Seal

log = logging.getLogger(__name__)

MAX_DOCUMENT_BYTES = 128 << 10
MAX_IN_USE = 2000
MAX_ONLY_STORED = 500
TTL_SECONDS = 90 * 86400  # since the last read

_HEAL = """
for number = 2, 3 do
    local kind = redis.call('type', KEYS[number]).ok
    if kind ~= 'zset' and kind ~= 'none' then redis.call('del', KEYS[number]) end
end
"""  # a value of another type under a set's name would make every script fail
_TOUCH = """
local time = redis.call('time')
local now, stored, used, name = time[1] + time[2] / 1000000, KEYS[2], KEYS[3], KEYS[1]
local is_in_use = ARGV[1] == '1' or redis.call('zscore', used, name)
redis.call('zrem', stored, name)
redis.call('zadd', is_in_use and used or stored, now, name)
while redis.call('zcard', used) > tonumber(ARGV[3]) do
    redis.call('zadd', stored, now, redis.call('zpopmin', used)[1])
end
while redis.call('zcard', stored) > tonumber(ARGV[4]) do
    redis.call('del', redis.call('zpopmin', stored)[1])
end
redis.call('expire', stored, ARGV[2])
redis.call('expire', used, ARGV[2])
"""
_GET = f"""
local document = redis.call('getrange', KEYS[1], 0, ARGV[5])
if document == '' then return false end
pcall(function()
    {_HEAL}
    {_TOUCH}
    redis.call('expire', KEYS[1], ARGV[2])
end)
return document
"""  # pcall, because a Redis that refuses to write can still be read
_PUT = f"""
{_HEAL}
redis.call('set', KEYS[1], ARGV[5], 'ex', ARGV[2])
{_TOUCH}
return 1
"""  # SET comes first, because Redis refuses only the first write of a script when it is full


class RedisDocuments:
    """Store of documents in Redis; during an outage it behaves like an empty one.

    Args:
        seal: Checksums of the documents.
        group: Beginning of their names in Redis. Each group has limits of its own, so one never evicts another's.
        max_in_use, max_only_stored: Limits of the two sorted sets.
        ttl_seconds: Time to live of a document since it was last read or stored.
    """

    def __init__(
        self,
        client: GuardedRedis,
        seal: Seal | None = None,
        *,
        group: str = "document",
        max_in_use: int = MAX_IN_USE,
        max_only_stored: int = MAX_ONLY_STORED,
        ttl_seconds: int = TTL_SECONDS,
    ) -> None:
        self._client, self._seal = client, seal or Seal()
        self._limits = (ttl_seconds, max_in_use, max_only_stored)
        self._group = group
        index = f"{group}s{self._seal.suffix}"
        self._indexes = [f"{index}:only-stored", f"{index}:in-use"]

    def get(self, name: str, *, in_use: bool) -> bytes | None:
        """Return a document; None if it does not exist, is damaged, or Redis does not answer.

        Args:
            in_use: Whether from now on the document counts as in use.
        """
        key = self.key_of(name)
        get = self._script(_GET, key, in_use, self._seal.nbytes + MAX_DOCUMENT_BYTES)  # one byte more, to notice it
        data = self._client.execute(get)
        if not isinstance(data, bytes):
            return None
        try:
            content = self._seal.verify(key, data)
            if len(content) > MAX_DOCUMENT_BYTES:
                raise DamagedEntry(f"more than {MAX_DOCUMENT_BYTES} bytes")
        except DamagedEntry as error:
            self._client.counts.add("damaged")
            log.warning("Redis returned a damaged document %s (%s); it is deleted.", name, error)
            self._client.execute(lambda redis: redis.delete(key))
            return None
        return bytes(content)

    def put(self, name: str, document: bytes, *, in_use: bool) -> bool:
        """Store a document; return whether Redis stored it.

        Raises:
            ValueError: The document is too large.
        """
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"The document {name} has {len(document)} bytes, more than {MAX_DOCUMENT_BYTES}.")
        key = self.key_of(name)
        sealed = self._seal.add(key, document)
        return self._client.store(self._script(_PUT, key, in_use, sealed))

    def key_of(self, name: str) -> str:
        """Return the name of a document's entry in Redis."""
        return f"{self._group}{self._seal.suffix}:{name}"

    def _script(self, script: str, key: str, in_use: bool, argument: int | bytes) -> Callable[[redis.Redis], Any]:
        """Return the command that runs one of the scripts above."""
        keys, arguments = [key, *self._indexes], [int(in_use), *self._limits, argument]
        return lambda client: client.register_script(script)(keys=keys, args=arguments)
