"""An embedding is computed once for all threads and all workers, and kept in two tiers."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest
import redis

from backend.cache import ComputedElsewhere, EmbeddingCache, GuardedRedis, LocalStore, RedisStore
from backend.cache.stores import lease_key, redis_key
from backend.values import ImageEmbedding
from tests.cache.samples import Computes, cache_on, embedding, expect, get_or_compute, same, sealed
from tests.servers import RedisServer


def test_the_second_look_computes_nothing() -> None:
    cache, compute = EmbeddingCache(LocalStore(10**6)), Computes()
    assert get_or_compute(cache, "a", compute) is get_or_compute(cache, "a", compute)
    assert (compute.calls, cache.counts.local_hits, cache.counts.computed) == (1, 1, 1)


def test_many_threads_that_miss_at_once_compute_once() -> None:
    cache, compute = EmbeddingCache(LocalStore(10**6)), Computes(seconds=0.1)
    threads = [threading.Thread(target=lambda: get_or_compute(cache, "a", compute)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compute.calls == 1


def test_a_failed_computation_is_not_remembered() -> None:
    cache = EmbeddingCache(LocalStore(10**6))

    def fail() -> ImageEmbedding:
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        get_or_compute(cache, "a", fail)
    assert same(get_or_compute(cache, "a", Computes(2.0)), embedding(2.0))


def test_two_caches_share_through_redis(redis_server: RedisServer) -> None:
    first, second = Computes(3.0), Computes(9.0)
    get_or_compute(cache_on(redis_server), "a", first)
    other = cache_on(redis_server)
    assert same(get_or_compute(other, "a", second), embedding(3.0))
    assert (second.calls, other.counts.redis_hits) == (0, 1)


def _compute_in_process(url: str, started, queue) -> None:
    cache = EmbeddingCache(LocalStore(10**6), RedisStore(GuardedRedis(url, 5.0), 60))
    started.wait(20)
    get_or_compute(cache, "a", Computes(seconds=0.4))
    queue.put(cache.counts.computed)


def test_two_processes_that_miss_at_once_compute_once(redis_server: RedisServer) -> None:
    context = multiprocessing.get_context("fork")
    started, queue = context.Event(), context.Queue()
    processes = [context.Process(target=_compute_in_process, args=(redis_server.url, started, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    started.set()
    assert sorted(queue.get(timeout=20) for _ in processes) == [0, 0, 1]
    for process in processes:
        process.join()


def test_many_threads_compute_once_even_where_nothing_is_kept_here() -> None:
    cache, waiting, values = EmbeddingCache(LocalStore(0)), threading.Semaphore(0), []

    def compute() -> ImageEmbedding:
        assert all(waiting.acquire(timeout=30) for _ in range(7))
        return embedding(2.0)

    def ask() -> None:
        computed = cache.try_compute("a", expect, compute)
        if isinstance(computed, ComputedElsewhere):
            waiting.release()
            computed = computed.wait(60)
        values.append(computed)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(values) == 8 and all(same(value, embedding(2.0)) for value in values)


def test_who_asks_for_what_another_thread_computes_is_told_so_at_once() -> None:
    cache, go, begun = EmbeddingCache(LocalStore(0)), threading.Event(), threading.Event()

    def compute() -> ImageEmbedding:
        begun.set()
        assert go.wait(10)
        return embedding(2.0)

    thread = threading.Thread(target=lambda: get_or_compute(cache, "a", compute))
    thread.start()
    assert begun.wait(10)
    other = cache.try_compute("a", expect, lambda: embedding(9.0))
    assert isinstance(other, ComputedElsewhere)
    assert other.wait(0.01) is None
    go.set()
    found = other.wait(10)
    assert found is not None
    assert same(found, embedding(2.0))
    thread.join(10)


def test_who_asks_for_what_another_worker_computes_is_told_so_at_once(redis_server: RedisServer) -> None:
    client, cache = redis.Redis.from_url(redis_server.url), cache_on(redis_server)
    client.set(lease_key("a"), "another worker", px=10_000)
    compute = Computes()
    started = time.monotonic()
    other = cache.try_compute("a", expect, compute)
    assert isinstance(other, ComputedElsewhere)
    assert other.wait(0.1) is None
    assert time.monotonic() - started < 8
    client.set(redis_key("a"), sealed("a", embedding(3.0)))
    client.delete(lease_key("a"))
    assert other.wait(10) is None
    assert same(get_or_compute(cache, "a", compute), embedding(3.0))
    assert compute.calls == 0


def test_what_was_computed_ahead_does_not_drive_out_what_is_in_use() -> None:
    one = embedding().nbytes
    cache = EmbeddingCache(LocalStore(3 * one, max_prefetched=one))
    for key in ("used", "also used"):
        get_or_compute(cache, key, Computes())
    for key in "abc":
        get_or_compute(cache, key, Computes(), prefetch=True)
    assert [cache.holds(key) for key in ("used", "also used", "a", "b", "c")] == [True, True, False, False, True]


def test_holds_asks_redis_without_reading_the_entry(redis_server: RedisServer) -> None:
    get_or_compute(cache_on(redis_server), "a", Computes())
    other = cache_on(redis_server)
    assert (other.holds("a"), other.holds("b"), other.nbytes) == (True, False, 0)
