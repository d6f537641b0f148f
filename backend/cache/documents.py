"""Small documents that all replicas share: bytes under a name, in Redis, without an expiry."""

from __future__ import annotations

from backend.cache.redis_client import GuardedRedis


class RedisDocuments:
    """Documents in Redis; during an outage it behaves as if it held none."""

    def __init__(self, client: GuardedRedis) -> None:
        self._client = client

    def get(self, name: str) -> bytes | None:
        """The document; None if there is none or Redis does not answer."""
        document = self._client.ask(lambda redis: redis.get(name))
        return document if isinstance(document, bytes) else None

    def put(self, name: str, document: bytes) -> None:
        """Keep a document until it is replaced; does nothing while Redis does not answer."""
        self._client.store(lambda redis: redis.set(name, document))
