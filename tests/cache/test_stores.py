"""The two tiers, and what stands in Redis."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import numpy as np
import pytest
import redis

from backend.cache import ComputedElsewhere, GuardedRedis, LocalStore, RedisStore, Seal
from backend.cache.stores import lease_key, redis_key
from backend.values import ImageEmbedding, Size
from tests.cache.samples import SPEC, Computes, cache_on, embedding, expect, get_or_compute, same, sealed, stored
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
    assert same(stored(redis_server, "a"), embedding(5.0))


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
    new = RedisStore(GuardedRedis(redis_server.url, 5.0), 60)
    new.put("a", embedding(1.0))
    monkeypatch.setattr("backend.cache.stores.CODEC_VERSION", 2)
    old, client = RedisStore(GuardedRedis(redis_server.url, 5.0), 60), redis.Redis.from_url(redis_server.url)
    assert (old.has("a"), old.get("a", SPEC)) == (False, None)
    client.set(redis_key("a"), b"LSEM, what version 2 wrote")
    with old.lease("b") as is_mine:
        assert is_mine
        assert old.is_leased("b")
        monkeypatch.undo()
        assert not new.is_leased("b")
        with new.lease("b") as is_mine_too:
            assert is_mine_too
    assert same(new.get("a", SPEC), embedding(1.0))
    assert sorted(client.keys()) == [b"codec2:a", b"codec4:a"]
    assert (old.counts.damaged, new.counts.damaged) == (0, 0)


def test_an_embedding_that_the_codec_cannot_write_is_an_error_and_no_outage(redis_server: RedisServer) -> None:
    client = GuardedRedis(redis_server.url, 5.0)
    value = ImageEmbedding({"a": np.zeros(2, np.int8)}, Size(8, 8), Size(8, 8), "sam1")
    with pytest.raises(ValueError, match="must be float16 or float32, but is int8"):
        RedisStore(client, 60).put("a", value)
    assert client.is_healthy


KEY = "a key of more than sixteen characters"


def with_value(value: float) -> ImageEmbedding:
    array = embedding().arrays["image_embed"].copy()
    array[0, 0, 0] = value
    return replace(embedding(), arrays={"image_embed": array})


FORGED = {
    "another image's": sealed("b", embedding(9.0)),
    "NaN": sealed("a", with_value(np.nan)),
    "infinity": sealed("a", with_value(-np.inf)),
    "a wrong shape": sealed("a", embedding(9.0, shape=(4, 1, 1))),
    "a wrong dtype": sealed("a", replace(embedding(), arrays={"image_embed": np.zeros((4, 2, 2), np.float32)})),
    "a wrong name": sealed("a", replace(embedding(), arrays={"a": embedding().arrays["image_embed"]})),
    "one array more": sealed("a", replace(embedding(), arrays={**embedding().arrays, "b": np.zeros(1, np.float16)})),
    "a wrong original size": sealed("a", replace(embedding(), original_size=Size(480, 640))),
    "a wrong input size": sealed("a", replace(embedding(), input_size=Size(255, 192))),
    "another family": sealed("a", replace(embedding(), family="sam2")),
    "4 megabytes": sealed("a", embedding(9.0)) + bytes(4 * 10**6),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_entry_that_is_not_this_images_is_counted_deleted_and_computed_again(
    redis_server: RedisServer, name: str, caplog
) -> None:
    redis.Redis.from_url(redis_server.url).set(redis_key("a"), FORGED[name])
    cache, compute = cache_on(redis_server), Computes(5.0)
    assert same(get_or_compute(cache, "a", compute), embedding(5.0))
    assert (compute.calls, cache.counts.damaged, cache.counts.redis_hits, cache.counts.redis_errors) == (1, 1, 0, 0)
    assert caplog.text.count("damaged entry for a") == 1
    assert same(stored(redis_server, "a"), embedding(5.0))


def test_with_a_key_an_entry_that_was_written_without_it_is_not_believed(redis_server: RedisServer) -> None:
    seal, client = Seal(KEY), redis.Redis.from_url(redis_server.url)
    store = RedisStore(GuardedRedis(redis_server.url, 5.0), 60, seal)
    store.put("b", embedding(9.0))
    genuine, name = client.get(redis_key("b", seal)), redis_key("a", seal)
    prefix, content = genuine[: seal.nbytes], genuine[seal.nbytes :]
    forged_content = content.replace(np.float16(9.0).tobytes(), np.float16(3.0).tobytes())
    forgeries = [
        genuine,
        Seal().add(name, content),
        Seal("a guess of the key").add(name, content),
        prefix + forged_content,
    ]
    for count, forged in enumerate(forgeries, start=1):
        client.set(name, forged)
        assert store.get("a", SPEC) is None
        assert not client.exists(name)
        assert store.counts.damaged == count
    store.put("a", embedding(5.0))
    assert same(store.get("a", SPEC), embedding(5.0))


def test_replicas_with_two_keys_neither_read_nor_delete_nor_wait_for_each_other(redis_server: RedisServer) -> None:
    stores = [RedisStore(GuardedRedis(redis_server.url, 5.0), 60, Seal(key)) for key in ("", KEY, f"another {KEY}")]
    for value, store in enumerate(stores):
        store.put("a", embedding(float(value)))
    for value, store in enumerate(stores):
        assert same(store.get("a", SPEC), embedding(float(value)))
        assert store.counts.damaged == 0
    with stores[1].lease("a") as is_mine:
        assert is_mine
        assert [store.is_leased("a") for store in stores] == [False, True, False]
    assert KEY.encode() not in b"".join(redis.Redis.from_url(redis_server.url).keys())


def test_an_encoders_output_that_is_not_finite_is_not_stored(redis_server: RedisServer, caplog) -> None:
    store = RedisStore(GuardedRedis(redis_server.url, 5.0), 60)
    assert not store.put("a", with_value(np.inf))
    assert (store.has("a"), store.counts.not_stored) == (False, 1)
    assert "is not stored: array 'image_embed' is not finite" in caplog.text
    assert store.put("a", embedding())
    assert store.counts.not_stored == 1


def test_a_value_that_is_no_string_is_a_miss_and_replaced(redis_server: RedisServer) -> None:
    redis.Redis.from_url(redis_server.url).lpush(redis_key("a"), b"a list")
    cache = cache_on(redis_server)
    assert same(get_or_compute(cache, "a", Computes(5.0)), embedding(5.0))
    assert same(stored(redis_server, "a"), embedding(5.0))


def break_by_set(client: redis.Redis) -> None:
    client.set(lease_key("a"), "a worker")


def break_by_persist(client: redis.Redis) -> None:
    client.set(lease_key("a"), "a worker", px=5000)
    assert client.persist(lease_key("a"))


def break_by_a_year(client: redis.Redis) -> None:
    client.set(lease_key("a"), "a worker", ex=365 * 86400)


def break_by_a_list(client: redis.Redis) -> None:
    client.lpush(lease_key("a"), "a worker")


@pytest.mark.parametrize("break_lease", [break_by_set, break_by_persist, break_by_a_year, break_by_a_list])
def test_a_lease_that_would_not_end_in_time_is_broken(redis_server: RedisServer, break_lease) -> None:
    client = redis.Redis.from_url(redis_server.url)
    store = RedisStore(GuardedRedis(redis_server.url, 5.0), 60)
    break_lease(client)
    assert not store.is_leased("a")
    assert not client.exists(lease_key("a"))
    break_lease(client)
    with store.lease("a") as is_mine:
        assert is_mine
        assert 0 < client.pttl(lease_key("a")) <= 10_000
        with RedisStore(GuardedRedis(redis_server.url, 5.0), 60).lease("a") as is_also_mine:
            assert not is_also_mine
    assert not client.exists(lease_key("a"))


def test_who_waits_for_a_lease_without_end_computes_itself(redis_server: RedisServer) -> None:
    client, cache, compute = redis.Redis.from_url(redis_server.url), cache_on(redis_server), Computes(5.0)
    client.set(lease_key("a"), "a live worker", px=10_000)
    other = cache.try_compute("a", expect, compute)
    assert isinstance(other, ComputedElsewhere)
    assert other.is_pending
    client.persist(lease_key("a"))
    assert other.wait(5) is None
    assert not other.is_pending
    assert same(get_or_compute(cache, "a", compute), embedding(5.0))


def test_a_live_lease_is_not_broken_and_is_renewed(redis_server: RedisServer, monkeypatch) -> None:
    monkeypatch.setattr(RedisStore, "lease_seconds", 1.5)
    client = redis.Redis.from_url(redis_server.url)
    store, other = (RedisStore(GuardedRedis(redis_server.url, 5.0), 60) for _ in range(2))
    with store.lease("a") as is_mine:
        assert is_mine
        holder = client.get(lease_key("a"))
        for _ in range(12):  # for longer than that
            time.sleep(0.2)
            assert other.is_leased("a")
        assert client.get(lease_key("a")) == holder
    assert not other.is_leased("a")
