from __future__ import annotations

import contextlib
import logging
import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.cache import (
    CacheCounts,
    ComputedElsewhere,
    DamagedEntry,
    EmbeddingCache,
    LocalStore,
    RedisStore,
    from_bytes,
    to_bytes,
)
from backend.values import ImageEmbedding, Size
from tests.servers import RedisServer


def embedding(value: float = 1.0, shape: tuple[int, int, int] = (4, 2, 2)) -> ImageEmbedding:
    return ImageEmbedding(np.full(shape, value, np.float16), Size(640, 480), Size(256, 192))


def same(a: ImageEmbedding, b: ImageEmbedding) -> bool:
    return (
        a.features.dtype == b.features.dtype
        and a.features.tobytes() == b.features.tobytes()
        and (a.original_size, a.input_size) == (b.original_size, b.input_size)
    )


def cache_on(server: RedisServer, timeout_seconds: float = 5.0) -> EmbeddingCache:
    counts = CacheCounts()
    return EmbeddingCache(LocalStore(10**6), RedisStore(server.url, 60, timeout_seconds, counts), counts)


class Computes:
    """A compute function that counts its calls."""

    def __init__(self, value: float = 1.0, seconds: float = 0.0) -> None:
        self.value, self.seconds, self.calls = value, seconds, 0
        self._lock = threading.Lock()

    def __call__(self) -> ImageEmbedding:
        with self._lock:
            self.calls += 1
        time.sleep(self.seconds)
        return embedding(self.value)


@given(
    arrays(st.sampled_from([np.float16, np.float32]), st.tuples(*[st.integers(1, 4)] * 3)),
    st.tuples(*[st.integers(1, 2**31)] * 4),
)
def test_from_bytes_undoes_to_bytes(features, sides) -> None:
    value = ImageEmbedding(features, Size(*sides[:2]), Size(*sides[2:]))
    assert same(from_bytes(to_bytes(value)), value)


def test_an_embedding_of_sam_takes_two_mebibytes_and_a_header() -> None:
    assert len(to_bytes(embedding(shape=(256, 64, 64)))) == 2 * 2**20 + 40


@given(st.data())
def test_no_changed_byte_goes_unnoticed(data) -> None:
    raw = bytearray(to_bytes(embedding()))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedEntry):
        from_bytes(bytes(raw))


def test_a_cut_entry_is_noticed() -> None:
    raw = to_bytes(embedding())
    for length in (0, 10, 39, 40, len(raw) - 1):
        with pytest.raises(DamagedEntry):
            from_bytes(raw[:length])


def test_the_second_look_computes_nothing() -> None:
    cache, compute = EmbeddingCache(LocalStore(10**6)), Computes()
    assert cache.get_or_compute("a", compute) is cache.get_or_compute("a", compute)
    assert (compute.calls, cache.counts.local_hits, cache.counts.computed) == (1, 1, 1)


def test_many_threads_that_miss_at_once_compute_once() -> None:
    cache, compute = EmbeddingCache(LocalStore(10**6)), Computes(seconds=0.1)
    threads = [threading.Thread(target=lambda: cache.get_or_compute("a", compute)) for _ in range(8)]
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
        cache.get_or_compute("a", fail)
    assert same(cache.get_or_compute("a", Computes(2.0)), embedding(2.0))


def test_the_local_tier_drops_the_least_recently_used_within_its_bytes() -> None:
    one = embedding().nbytes
    store = LocalStore(max_bytes=2 * one)
    store.put("a", embedding())
    store.put("b", embedding())
    store.get("a")
    store.put("c", embedding())
    assert [store.get(key) is not None for key in "abc"] == [True, False, True]
    assert store.nbytes == 2 * one


def test_two_caches_share_through_redis(redis_server: RedisServer) -> None:
    first, second = Computes(3.0), Computes(9.0)
    cache_on(redis_server).get_or_compute("a", first)
    other = cache_on(redis_server)
    assert same(other.get_or_compute("a", second), embedding(3.0))
    assert (second.calls, other.counts.redis_hits) == (0, 1)


def test_entries_expire(redis_server: RedisServer) -> None:
    cache_on(redis_server).get_or_compute("a", Computes())
    assert 0 < redis.Redis.from_url(redis_server.url).ttl("a") <= 60


def _compute_in_process(url: str, started, queue) -> None:
    counts = CacheCounts()
    cache = EmbeddingCache(LocalStore(10**6), RedisStore(url, 60, 5.0, counts), counts)
    started.wait(20)
    cache.get_or_compute("a", Computes(seconds=0.4))
    queue.put(counts.computed)


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


def test_the_lease_of_a_dead_worker_ends_by_itself(redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set("a:lease", "a worker that died", px=300)
    holders = []

    def compute() -> ImageEmbedding:
        holders.append(client.get("a:lease"))
        return embedding()

    cache_on(redis_server).get_or_compute("a", compute)
    (holder,) = holders
    assert holder not in (None, b"a worker that died")


def test_damaged_bytes_in_redis_are_computed_again_and_replaced(redis_server: RedisServer, caplog) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set("a", b"LSEM but not really")
    cache = cache_on(redis_server)
    with caplog.at_level(logging.WARNING):
        assert same(cache.get_or_compute("a", Computes(5.0)), embedding(5.0))
    assert cache.counts.damaged == 1
    assert "damaged entry for a" in caplog.text
    assert same(from_bytes(client.get("a")), embedding(5.0))


def test_redis_outage_costs_time_not_answers(redis_server: RedisServer, caplog) -> None:
    cache = cache_on(redis_server)
    cache.get_or_compute("before", Computes())
    redis_server.stop()
    with caplog.at_level(logging.WARNING):
        for key in ("one", "two", "three"):
            assert same(cache.get_or_compute(key, Computes(7.0)), embedding(7.0))
    assert caplog.text.count("Redis does not answer") == 1
    assert cache.counts.redis_errors >= 1
    assert "Redis does not answer" in cache.description


def test_redis_is_used_again_when_it_is_back(redis_server: RedisServer, monkeypatch) -> None:
    monkeypatch.setattr(RedisStore, "pause_seconds", 0.05)
    cache = cache_on(redis_server)
    redis_server.stop()
    cache.get_or_compute("lost", Computes())
    redis_server.start()
    time.sleep(0.1)
    cache.get_or_compute("kept", Computes(4.0))
    assert same(from_bytes(redis.Redis.from_url(redis_server.url).get("kept")), embedding(4.0))
    assert cache.description == "in Redis"


def test_a_full_redis_costs_the_entry_not_the_answer(tmp_path: Path, redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("maxmemory", "1mb")
    client.config_set("maxmemory-policy", "noeviction")
    cache = cache_on(redis_server)
    assert same(cache.get_or_compute("a", Computes(6.0)), embedding(6.0))
    assert cache.counts.redis_errors >= 1


def test_a_slow_redis_is_left_alone_after_one_timeout(redis_server: RedisServer, monkeypatch) -> None:
    monkeypatch.setattr(RedisStore, "pause_seconds", 60.0)
    cache = cache_on(redis_server, timeout_seconds=0.3)
    redis.Redis.from_url(redis_server.url).execute_command("CLIENT", "PAUSE", 60_000)
    for key in ("a", "b", "c"):
        cache.get_or_compute(key, Computes())
    assert (cache.counts.redis_errors, cache.counts.computed) == (1, 3)


def test_many_threads_compute_once_even_where_nothing_is_kept_here() -> None:
    cache, calls, told = EmbeddingCache(LocalStore(0)), [], threading.Semaphore(0)
    try_compute = cache.try_compute

    def noted(*arguments, **options):
        made = try_compute(*arguments, **options)
        told.release()
        return made

    def compute() -> ImageEmbedding:
        calls.append(1)
        assert all(told.acquire(timeout=20) for _ in range(7))
        return embedding()

    cache.try_compute = noted
    threads = [threading.Thread(target=lambda: cache.get_or_compute("a", compute)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert calls == [1]


def test_a_full_redis_is_still_read_and_warned_of_once(redis_server: RedisServer, caplog) -> None:
    cache_on(redis_server).get_or_compute("kept", Computes(3.0))
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("maxmemory", "1mb")
    client.config_set("maxmemory-policy", "noeviction")
    cache = cache_on(redis_server)
    with caplog.at_level(logging.WARNING):
        for key in ("one", "two", "three"):
            cache.get_or_compute(key, Computes())
    assert caplog.text.count("Redis refuses") == 1
    assert same(cache.get_or_compute("kept", Computes(9.0)), embedding(3.0))


def test_a_server_that_does_not_speak_redis_costs_no_answer() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(b"$xx\r\n" * 20)

        threading.Thread(target=talk, daemon=True).start()
        counts = CacheCounts()
        store = RedisStore(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 60, 0.3, counts)
        cache = EmbeddingCache(LocalStore(10**6), store, counts)
        assert same(cache.get_or_compute("a", Computes(8.0)), embedding(8.0))
        assert counts.redis_errors >= 1


def test_who_asks_for_what_another_thread_computes_is_told_so_at_once() -> None:
    cache, go, begun = EmbeddingCache(LocalStore(0)), threading.Event(), threading.Event()

    def compute() -> ImageEmbedding:
        begun.set()
        assert go.wait(10)
        return embedding(2.0)

    thread = threading.Thread(target=lambda: cache.get_or_compute("a", compute))
    thread.start()
    assert begun.wait(10)
    other = cache.try_compute("a", lambda: embedding(9.0))
    assert isinstance(other, ComputedElsewhere)
    assert other.wait(0.01) is None
    go.set()
    found = other.wait(10)
    assert found is not None
    assert same(found, embedding(2.0))
    thread.join(10)


def test_who_asks_for_what_another_worker_computes_is_told_so_at_once(redis_server: RedisServer) -> None:
    client, cache = redis.Redis.from_url(redis_server.url), cache_on(redis_server)
    client.set("a:lease", "another worker", px=60_000)
    compute = Computes()
    started = time.monotonic()
    other = cache.try_compute("a", compute)
    assert isinstance(other, ComputedElsewhere)
    assert other.wait(0.1) is None
    assert time.monotonic() - started < 5
    client.set("a", to_bytes(embedding(3.0)))
    client.delete("a:lease")
    assert other.wait(10) is None
    assert same(cache.get_or_compute("a", compute), embedding(3.0))
    assert compute.calls == 0


def test_a_held_embedding_is_found_however_small_the_cache_is_until_it_is_let_go() -> None:
    cache = EmbeddingCache(LocalStore(0))
    with cache.hold("a", embedding(4.0)), cache.hold("a", embedding(4.0)):
        assert same(cache.get_or_compute("a", Computes(9.0)), embedding(4.0))
    assert cache.find("a") is None
    assert (cache.counts.local_hits, cache.counts.computed) == (0, 0)


def test_what_was_computed_ahead_does_not_drive_out_what_is_in_use() -> None:
    one = embedding().nbytes
    cache = EmbeddingCache(LocalStore(3 * one, max_ahead=one))
    for key in ("used", "also used"):
        cache.get_or_compute(key, Computes())
    for key in "abc":
        cache.get_or_compute(key, Computes(), ahead=True)
    assert [cache.holds(key) for key in ("used", "also used", "a", "b", "c")] == [True, True, False, False, True]


def test_holds_asks_redis_without_reading_the_entry(redis_server: RedisServer) -> None:
    cache_on(redis_server).get_or_compute("a", Computes())
    other = cache_on(redis_server)
    assert (other.holds("a"), other.holds("b"), other.nbytes) == (True, False, 0)
    assert other.is_shared
    redis_server.stop()
    assert not other.is_shared
    assert not EmbeddingCache(LocalStore(10)).is_shared
