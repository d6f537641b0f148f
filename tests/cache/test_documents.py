"""Documents that outlive the process."""

from __future__ import annotations

import redis

from backend.cache import GuardedRedis, RedisDocuments
from tests.servers import RedisServer


def test_a_document_is_read_by_other_processes_and_does_not_expire(redis_server: RedisServer) -> None:
    RedisDocuments(GuardedRedis(redis_server.url, 0.3)).put("a", b"one")
    other = RedisDocuments(GuardedRedis(redis_server.url, 0.3))
    assert (other.get("a"), other.get("b")) == (b"one", None)
    assert redis.Redis.from_url(redis_server.url).ttl("a") == -1
    other.put("a", b"two")
    assert other.get("a") == b"two"


def test_what_is_no_document_is_refused_without_an_outage(redis_server: RedisServer) -> None:
    redis.Redis.from_url(redis_server.url).lpush("a", b"a list")
    client = GuardedRedis(redis_server.url, 0.3)
    assert RedisDocuments(client).get("a") is None
    assert (client.is_healthy, client.counts.redis_errors) == (True, 1)
