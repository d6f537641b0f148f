"""Documents that outlive the process, and are bounded in size, number and time."""

from __future__ import annotations

import pytest
import redis

from backend.cache import GuardedRedis, RedisDocuments, Seal
from backend.cache.documents import MAX_DOCUMENT_BYTES, TTL_SECONDS
from tests.servers import RedisServer

KEY = "a key of more than sixteen characters"


def documents_on(server: RedisServer, key: str = "", **limits: int) -> RedisDocuments:
    return RedisDocuments(GuardedRedis(server.url, 5.0), Seal(key), **limits)


def names_in(client: redis.Redis) -> list[str]:
    """The names of the stored documents, without the two sets."""
    return sorted(name.decode().partition(":")[2] for name in client.scan_iter("document:*"))


def test_a_document_is_read_by_other_processes_and_lives_on_while_it_is_read(redis_server: RedisServer) -> None:
    client, documents = redis.Redis.from_url(redis_server.url), documents_on(redis_server)
    assert documents.put("a", b"one", in_use=False)
    other = documents_on(redis_server)
    assert (other.get("a", in_use=False), other.get("b", in_use=False)) == (b"one", None)
    entries = [documents.key_of("a"), "documents:only-stored"]
    for in_use in (False, True):
        for name in entries:
            client.expire(name, 50)
        assert other.get("a", in_use=in_use) == b"one"
        assert client.ttl(entries[0]) > TTL_SECONDS - 60
    assert client.ttl("documents:in-use") > TTL_SECONDS - 60
    other.put("a", b"two", in_use=False)
    assert documents.get("a", in_use=False) == b"two"
    assert all(client.ttl(name) > 0 for name in client.scan_iter())


def test_only_the_latest_documents_are_kept(redis_server: RedisServer) -> None:
    client, documents = redis.Redis.from_url(redis_server.url), documents_on(redis_server, max_only_stored=3)
    for name in "abc":
        documents.put(name, b"1", in_use=False)
    documents.get("a", in_use=False)
    documents.put("d", b"1", in_use=False)
    assert names_in(client) == ["a", "c", "d"]


def test_new_documents_evict_none_that_is_in_use(redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    documents = documents_on(redis_server, max_in_use=2, max_only_stored=3)
    documents.put("read", b"1", in_use=False)
    assert documents.get("read", in_use=True) == b"1"
    documents.put("written", b"1", in_use=True)
    for number in range(20):
        documents.put(f"{number:02}", b"1", in_use=False)
    assert names_in(client) == ["17", "18", "19", "read", "written"]
    documents.put("read", b"2", in_use=False)  # which stays in use
    documents.put("20", b"1", in_use=False)
    assert names_in(client) == ["18", "19", "20", "read", "written"]


def test_what_drops_out_of_use_is_the_latest_that_was_only_stored(redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    documents = documents_on(redis_server, max_in_use=2, max_only_stored=2)
    for name in "xy":
        documents.put(name, b"1", in_use=False)
    for name in "abc":
        documents.put(name, b"1", in_use=True)
    assert names_in(client) == ["a", "b", "c", "y"]
    assert client.zrange("documents:in-use", 0, -1) == [b"document:b", b"document:c"]


def test_a_limit_that_was_lowered_holds_after_the_next_document(redis_server: RedisServer) -> None:
    for number in range(20):
        documents_on(redis_server).put(f"{number:02}", b"1", in_use=number < 10)
    documents_on(redis_server, max_in_use=1, max_only_stored=1).put("new", b"1", in_use=False)
    assert len(names_in(redis.Redis.from_url(redis_server.url))) == 2


def test_what_is_no_document_is_refused_without_an_outage(redis_server: RedisServer) -> None:
    client = GuardedRedis(redis_server.url, 5.0)
    documents = RedisDocuments(client)
    redis.Redis.from_url(redis_server.url).lpush(documents.key_of("a"), b"a list")
    assert documents.get("a", in_use=False) is None
    assert (client.is_healthy, client.counts.redis_errors) == (True, 1)
    assert documents.put("a", b"one", in_use=False)
    assert documents.get("a", in_use=False) == b"one"


@pytest.mark.parametrize("index", ["documents:only-stored", "documents:in-use"])
def test_a_set_that_is_none_is_begun_anew(redis_server: RedisServer, index: str) -> None:
    client, documents = redis.Redis.from_url(redis_server.url), documents_on(redis_server)
    for in_use in (False, True):
        client.set(index, "no set")
        assert documents.put("a", b"one", in_use=in_use)
        client.set(index, "no set")
        assert documents.get("a", in_use=in_use) == b"one"
    assert client.zrange("documents:in-use", 0, -1) == [b"document:a"]


def test_documents_of_a_redis_that_refuses_to_write_are_still_read(redis_server: RedisServer) -> None:
    client, raw = GuardedRedis(redis_server.url, 5.0), redis.Redis.from_url(redis_server.url)
    documents = RedisDocuments(client)
    documents.put("a", b"one", in_use=False)
    raw.replicaof("127.0.0.1", "1")  # a replica is read-only
    assert not documents.put("a", b"two", in_use=True)
    assert [documents.get("a", in_use=in_use) for in_use in (False, True)] == [b"one", b"one"]
    assert client.is_healthy
    raw.replicaof("NO", "ONE")
    assert documents.put("a", b"two", in_use=True)
    assert documents.get("a", in_use=True) == b"two"


@pytest.mark.parametrize("key", ["", KEY])
def test_a_document_that_was_not_stored_under_this_name_is_counted_and_deleted(
    redis_server: RedisServer, key: str, caplog
) -> None:
    raw, client = redis.Redis.from_url(redis_server.url), GuardedRedis(redis_server.url, 5.0)
    documents, seal = RedisDocuments(client, Seal(key)), Seal(key)
    documents.put("b", b"of project b", in_use=False)
    name, of_b = documents.key_of("a"), raw.get(documents.key_of("b"))
    too_large = seal.add(name, bytes(MAX_DOCUMENT_BYTES + 1))
    forgeries = [of_b, b"{}", too_large, of_b + bytes(10 * MAX_DOCUMENT_BYTES), Seal("a guess").add(name, b"forged")]
    for count, forged in enumerate(forgeries, start=1):
        raw.set(name, forged)
        assert documents.get("a", in_use=False) is None
        assert client.counts.damaged == count
        assert not raw.exists(name)
    assert caplog.text.count("damaged document a") == len(forgeries)
    assert documents.get("b", in_use=False) == b"of project b"


def test_the_largest_document_is_stored_and_a_larger_one_refused(redis_server: RedisServer) -> None:
    documents = documents_on(redis_server)
    assert documents.put("a", bytes(MAX_DOCUMENT_BYTES), in_use=False)
    assert documents.get("a", in_use=False) == bytes(MAX_DOCUMENT_BYTES)
    with pytest.raises(ValueError, match="has 131073 bytes, more than 131072"):
        documents.put("a", bytes(MAX_DOCUMENT_BYTES + 1), in_use=False)


def test_documents_of_another_group_evict_none_and_share_no_name(redis_server: RedisServer) -> None:
    settings, client = documents_on(redis_server), GuardedRedis(redis_server.url, 5.0)
    answers = RedisDocuments(client, group="last-answer", max_in_use=2, max_only_stored=2, ttl_seconds=60)
    settings.put("a", b"settings", in_use=False)
    for number in range(20):
        answers.put(f"{number:02}", b"1", in_use=True)
    answers.put("a", b"answer", in_use=True)
    assert (settings.get("a", in_use=False), answers.get("a", in_use=True)) == (b"settings", b"answer")
    names = redis.Redis.from_url(redis_server.url).keys("last-answer:*")
    assert len(names) == 4
