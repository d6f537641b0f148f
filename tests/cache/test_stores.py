"""The two tiers, and what stands in Redis."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import redis

from backend.cache import GuardedRedis, LocalStore, RedisStore, decode_embedding
from backend.cache.stores import lease_key, redis_key
from backend.values import ImageEmbedding, Size
from tests.cache.samples import Computes, cache_on, embedding, get_or_compute, same
from tests.servers import RedisServer


def test_the_local_tier_drops_the_least_recently_used_within_its_bytes() -> None:
    one = embedding().nbytes
    store = LocalStore(max_bytes=2 * one)
    store.put("a", embedding())
    store.put("b", embedding())
    store.get("a")
    store.put("c", embedding())
    assert [store.get(key) is not None for key in "abc"] == [True, False, True]
    assert store.nbytes == 2 * one


def test_entries_expire(redis_server: RedisServer) -> None:
    get_or_compute(cache_on(redis_server), "a", Computes())
    assert 0 < redis.Redis.from_url(redis_server.url).ttl(redis_key("a")) <= 60


def test_the_lease_of_a_dead_worker_ends_by_itself(redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set(lease_key("a"), "a worker that died", px=300)
    holders = []

    def compute() -> ImageEmbedding:
        holders.append(client.get(lease_key("a")))
        return embedding()

    get_or_compute(cache_on(redis_server), "a", compute)
    (holder,) = holders
    assert holder not in (None, b"a worker that died")


def test_damaged_bytes_in_redis_are_computed_again_and_replaced(redis_server: RedisServer, caplog) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set(redis_key("a"), b"LSEM but not really")
    cache = cache_on(redis_server)
    with caplog.at_level(logging.WARNING):
        assert same(get_or_compute(cache, "a", Computes(5.0)), embedding(5.0))
    assert cache.counts.damaged == 1
    assert "damaged entry for a" in caplog.text
    assert same(decode_embedding(client.get(redis_key("a"))), embedding(5.0))


def test_the_local_budget_counts_all_arrays_of_an_embedding() -> None:
    arrays = {"image_embed": np.zeros((4, 2, 2), np.float16), "high_res_0": np.zeros((2, 4, 4), np.float32)}
    value = ImageEmbedding(arrays, Size(8, 8), Size(8, 8), "sam2")
    assert value.nbytes == 4 * 2 * 2 * 2 + 2 * 4 * 4 * 4
    store = LocalStore(max_bytes=value.nbytes)
    store.put("a", value)
    too_small = LocalStore(max_bytes=value.nbytes - 1)
    too_small.put("a", value)
    assert (store.nbytes, too_small.nbytes) == (value.nbytes, 0)


def test_replicas_of_two_codec_versions_neither_read_nor_delete_nor_wait_for_each_other(
    redis_server: RedisServer, monkeypatch
) -> None:
    new = RedisStore(GuardedRedis(redis_server.url, 0.3), 60)
    new.put("a", embedding(1.0))
    monkeypatch.setattr("backend.cache.stores.CODEC_VERSION", 2)
    old, client = RedisStore(GuardedRedis(redis_server.url, 0.3), 60), redis.Redis.from_url(redis_server.url)
    assert (old.has("a"), old.get("a")) == (False, None)
    client.set(redis_key("a"), b"LSEM, what version 2 wrote")
    with old.lease("b") as is_mine:
        assert is_mine
        assert old.is_leased("b")
        monkeypatch.undo()
        assert not new.is_leased("b")
        with new.lease("b") as is_mine_too:
            assert is_mine_too
    found = new.get("a")
    assert found is not None
    assert same(found, embedding(1.0))
    assert sorted(client.keys()) == [b"codec2:a", b"codec3:a"]
    assert (old.counts.damaged, new.counts.damaged) == (0, 0)


def test_an_embedding_that_the_codec_cannot_write_is_an_error_and_no_outage(redis_server: RedisServer) -> None:
    client = GuardedRedis(redis_server.url, 0.3)
    value = ImageEmbedding({"a": np.zeros(2, np.int8)}, Size(8, 8), Size(8, 8), "sam1")
    with pytest.raises(ValueError, match="must be float16 or float32, but is int8"):
        RedisStore(client, 60).put("a", value)
    assert client.is_healthy
