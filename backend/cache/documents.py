"""Small documents that all replicas share: bytes by name, in Redis, without expiry."""

from __future__ import annotations

from backend.cache.redis_client import GuardedRedis


class RedisDocuments:
    """Store of documents in Redis; during an outage it behaves like an empty one."""

    def __init__(self, client: GuardedRedis) -> None:
        self._client = client

    def get(self, name: str) -> bytes | None:
        """Return a document; None if it does not exist or Redis does not answer."""
        document = self._client.execute(lambda redis: redis.get(name))
        return document if isinstance(document, bytes) else None

    def put(self, name: str, document: bytes) -> None:
        """Store a document until it is replaced; does nothing while Redis does not answer."""
        self._client.store(lambda redis: redis.set(name, document))
