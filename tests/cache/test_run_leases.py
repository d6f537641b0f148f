"""The lease of a run in Redis, on whichever machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from backend.cache import GuardedRedis, RunLease
from tests.servers import RedisServer

WORK = "a:80:3:v1"


@pytest.fixture
def lease(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunLease]:
    """Builds leases, each as a process of its own would."""
    monkeypatch.setattr(GuardedRedis, "pause_seconds", 0.05)

    def build(
        name: str, shard: str = "", work: str = WORK, seconds: float = 30.0, lost: list[str] | None = None
    ) -> RunLease:
        client = GuardedRedis(redis_server.url, 5.0)
        lease = RunLease(client, work, shard, name, (lost if lost is not None else []).append)
        lease.lease_seconds = seconds
        return lease

    return build


def test_a_second_run_is_told_who_holds_the_lease_and_gets_it_afterwards(lease: Callable[..., RunLease]) -> None:
    first, second = lease("first\nmachine"), lease("second machine")
    assert first.acquire() is None
    assert second.acquire() == "first\nmachine"
    first.release()
    assert second.acquire() is None
    first.release()  # it does not take the other one's away
    assert lease("third").acquire() == "second machine"


@pytest.mark.parametrize(
    ("first", "second", "is_free"),
    [("1/2", "2/2", True), ("1/2", "1/2", False), ("", "1/2", False), ("1/2", "", False)],
)
def test_shards_exclude_the_whole_project_but_not_each_other(
    lease: Callable[..., RunLease], first: str, second: str, is_free: bool
) -> None:
    assert lease("first", first).acquire() is None
    assert (lease("second", second).acquire() is None) == is_free


def test_other_work_is_not_excluded(lease: Callable[..., RunLease]) -> None:
    assert lease("first").acquire() is None
    assert lease("second", work="a:80:4:v1").acquire() is None


def test_a_lease_outlives_its_time_only_while_its_holder_lives(lease: Callable[..., RunLease]) -> None:
    holder = lease("first", seconds=1.5)
    assert holder.acquire() is None
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        assert lease("second").acquire() == "first"  # renewed
        time.sleep(0.1)
    holder._done.set()  # its process is gone
    while lease("second").acquire() is not None:
        assert time.monotonic() < deadline + 30
        time.sleep(0.1)


def test_without_redis_a_run_goes_on_and_has_its_lease_again_when_redis_is_back(
    redis_server: RedisServer, lease: Callable[..., RunLease]
) -> None:
    lost: list[str] = []
    holder = lease("first", seconds=1.0, lost=lost)
    assert holder.acquire() is None
    redis_server.stop()
    assert lease("second").acquire() is None  # nobody can tell
    redis_server.start()  # empty
    deadline = time.monotonic() + 30
    while not redis.Redis.from_url(redis_server.url).exists(f"run:{WORK}"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lost == []


def test_a_lease_that_another_run_took_meanwhile_is_reported(
    redis_server: RedisServer, lease: Callable[..., RunLease]
) -> None:
    lost: list[str] = []
    holder = lease("first", seconds=1.0, lost=lost)
    assert holder.acquire() is None
    client = redis.Redis.from_url(redis_server.url)
    client.hset(f"run:{WORK}", "all", f"token\n{int(time.time()) + 60}\nsecond machine")
    deadline = time.monotonic() + 30
    while not lost:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lost == ["second machine"]
