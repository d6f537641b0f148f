"""What goes wrong with Redis costs time, at most once, and no answer."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time

import pytest
import redis

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisDocuments, RedisStore
from tests.cache.samples import SPEC, Computes, cache_on, embedding, get_or_compute, same, stored
from tests.servers import RedisServer


def fill(server: RedisServer) -> None:
    """Let Redis refuse to store anything more."""
    client = redis.Redis.from_url(server.url)
    client.config_set("maxmemory", "1")  # byte
    client.config_set("maxmemory-policy", "noeviction")


def test_making_a_client_connects_nothing_and_an_invalid_url_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        client = GuardedRedis(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 0.3)
        assert client.is_healthy
        with pytest.raises(BlockingIOError):
            listener.accept()
    with pytest.raises(ValueError, match="must specify one of the following schemes"):
        GuardedRedis("http://127.0.0.1:6379", 0.3)


def test_an_outage_costs_one_timeout_and_one_warning_for_embeddings_and_documents_together(caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = GuardedRedis(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", 0.3)
        store, documents = RedisStore(client, 60), RedisDocuments(client)
        client.pause_seconds = 60.0
        assert (documents.get("a", in_use=True), store.get("a", SPEC), store.has("a"), client.ping()) == (
            None,
            None,
            False,
            False,
        )
        assert not store.put("a", embedding())
        assert not documents.put("a", b"1", in_use=True)
    assert caplog.text.count("Redis does not answer") == len(caplog.records) == 1
    assert (client.counts.redis_errors, client.counts.redis_down) == (1, True)


def test_the_end_of_an_outage_is_logged_and_the_next_one_too(redis_server: RedisServer, caplog) -> None:
    client = GuardedRedis(redis_server.url, 5.0)
    client.pause_seconds = 0.0
    for _ in range(2):
        redis_server.stop()
        assert (client.ping(), client.ping(), client.is_healthy) == (False, False, False)
        redis_server.start()
        assert (client.ping(), client.ping(), client.is_healthy) == (True, True, True)
    said = [record.getMessage() for record in caplog.records]
    assert [message.split("(")[0] for message in said] == ["Redis does not answer ", "Redis answers again."] * 2


def test_threads_that_fail_at_once_log_one_outage(caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client, together = GuardedRedis(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", 1.0), threading.Barrier(8)
        threads = [threading.Thread(target=lambda: (together.wait(30), client.ping())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(caplog.records) == 1
    assert client.counts.redis_errors == 8


def test_a_refusal_pauses_nothing_and_is_warned_of_again_after_redis_stored_something(
    redis_server: RedisServer, caplog
) -> None:
    client = GuardedRedis(redis_server.url, 5.0)
    documents = RedisDocuments(client)
    for _ in range(2):
        assert documents.put("kept", b"1", in_use=True)
        fill(redis_server)
        assert not documents.put("lost", b"2", in_use=True)
        assert not documents.put("lost", b"2", in_use=True)
        assert (documents.get("kept", in_use=True), documents.get("lost", in_use=True), client.is_healthy) == (
            b"1",
            None,
            True,
        )
        redis.Redis.from_url(redis_server.url).config_set("maxmemory", "0")
    assert caplog.text.count("Redis rejects") == len(caplog.records) == 2
    assert client.counts.redis_errors == 4


def test_redis_outage_costs_time_not_answers(redis_server: RedisServer, caplog) -> None:
    cache = cache_on(redis_server)
    get_or_compute(cache, "before", Computes())
    redis_server.stop()
    with caplog.at_level(logging.WARNING):
        for key in ("one", "two", "three"):
            assert same(get_or_compute(cache, key, Computes(7.0)), embedding(7.0))
    assert caplog.text.count("Redis does not answer") == 1
    assert cache.counts.redis_errors >= 1
    assert "Redis does not answer" in cache.description


def test_redis_is_used_again_when_it_is_back(redis_server: RedisServer, monkeypatch) -> None:
    monkeypatch.setattr(GuardedRedis, "pause_seconds", 0.05)
    cache = cache_on(redis_server)
    redis_server.stop()
    get_or_compute(cache, "lost", Computes())
    redis_server.start()
    time.sleep(0.1)
    get_or_compute(cache, "kept", Computes(4.0))
    assert same(stored(redis_server, "kept"), embedding(4.0))
    assert cache.description == "in Redis"


def test_a_full_redis_costs_the_entry_not_the_answer(redis_server: RedisServer) -> None:
    fill(redis_server)
    cache = cache_on(redis_server)
    assert same(get_or_compute(cache, "a", Computes(6.0)), embedding(6.0))
    assert cache.counts.redis_errors >= 1


def test_a_slow_redis_is_left_alone_after_one_timeout(redis_server: RedisServer, monkeypatch) -> None:
    monkeypatch.setattr(GuardedRedis, "pause_seconds", 60.0)
    cache = cache_on(redis_server, timeout_seconds=0.3)
    redis.Redis.from_url(redis_server.url).execute_command("CLIENT", "PAUSE", 60_000)
    for key in ("a", "b", "c"):
        get_or_compute(cache, key, Computes())
    assert (cache.counts.redis_errors, cache.counts.computed) == (1, 3)


def test_a_full_redis_is_still_read_and_warned_of_once(redis_server: RedisServer, caplog) -> None:
    get_or_compute(cache_on(redis_server), "kept", Computes(3.0))
    fill(redis_server)
    cache = cache_on(redis_server)
    with caplog.at_level(logging.WARNING):
        for key in ("one", "two", "three"):
            get_or_compute(cache, key, Computes())
    assert caplog.text.count("Redis rejects") == 1
    assert same(get_or_compute(cache, "kept", Computes(9.0)), embedding(3.0))


def test_a_server_that_does_not_speak_redis_costs_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(b"$xx\r\n" * 20)

        threading.Thread(target=talk, daemon=True).start()
        client = GuardedRedis(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 0.3)
        cache = EmbeddingCache(LocalStore(10**6), RedisStore(client, 60))
        assert same(get_or_compute(cache, "a", Computes(8.0)), embedding(8.0))
        assert client.counts.redis_errors >= 1
