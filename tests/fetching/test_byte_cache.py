"""The budget of the image cache, and one fetch for many."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import ImageUnavailable
from backend.fetching import byte_cache
from backend.fetching.byte_cache import CachedImage, ImageCache, SingleFlight


def image(nbytes: int) -> CachedImage:
    return CachedImage(bytes(nbytes), checked_at=0.0)


def test_the_least_recently_used_goes_first() -> None:
    cache = ImageCache(max_bytes=30)
    for key in "abc":
        cache.put(key, image(10))
    assert cache.get("a") is not None
    cache.put("d", image(10))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_an_image_over_the_whole_budget_is_not_kept_and_drives_none_out() -> None:
    cache = ImageCache(max_bytes=30)
    cache.put("a", image(10))
    cache.put("b", image(31))
    assert cache.get("a") is not None and cache.get("b") is None


def test_an_image_that_outgrew_the_budget_is_forgotten() -> None:
    cache = ImageCache(max_bytes=30)
    cache.put("a", image(10))
    cache.put("a", image(31))
    assert cache.get("a") is None and cache.cost == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40))))
def test_the_budget_holds(puts: list[tuple[int, int]]) -> None:
    cache = ImageCache(max_bytes=60)
    for key, nbytes in puts:
        cache.put(key, image(nbytes))
        kept = [found for found in map(cache.get, range(6)) if found]
        assert cache.cost == sum(len(found.content) for found in kept) <= 60


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released by each thread that begins to wait for a flight."""
    semaphore = threading.Semaphore(0)

    class NotedFuture(Future):
        def result(self, timeout: float | None = None) -> Any:
            semaphore.release()
            return super().result(timeout)

    monkeypatch.setattr(byte_cache, "Future", NotedFuture)
    return semaphore


def test_who_comes_meanwhile_gets_the_same_value(waiting: threading.Semaphore) -> None:
    flights, calls, got = SingleFlight(), [], []

    def call() -> bytes:
        calls.append(1)
        assert all(waiting.acquire(timeout=10) for _ in range(5))
        return b"value"

    threads = [threading.Thread(target=lambda: got.append(flights.run("a", call))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == [b"value"] * 6 and calls == [1]


def test_other_keys_do_not_wait() -> None:
    flights = SingleFlight()
    assert flights.run("a", lambda: flights.run("b", lambda: b"inner") + b" and outer") == b"inner and outer"


def test_an_error_is_shared_and_then_forgotten() -> None:
    flights = SingleFlight()

    def fail() -> bytes:
        raise ImageUnavailable("gone.", remedy="Look.")

    with pytest.raises(ImageUnavailable, match="gone"):
        flights.run("a", fail)
    assert flights.run("a", lambda: b"there") == b"there"


def test_who_has_no_time_goes_and_the_call_goes_on_for_those_who_come_later(waiting: threading.Semaphore) -> None:
    flights, calls = SingleFlight(), []

    def call() -> bytes:
        calls.append(1)
        assert all(waiting.acquire(timeout=10) for _ in range(2))
        return b"value"

    with pytest.raises(FutureTimeout):
        flights.run("a", call, wait_seconds=0.05)
    assert flights.run("a", call) == b"value"
    assert calls == [1]
