"""One call for all threads that need its value."""

from __future__ import annotations

import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout

import pytest

from backend.errors import ImageUnavailable
from backend.fetching.single_flight import SingleFlight


def test_who_comes_meanwhile_gets_the_same_value() -> None:
    flights, calls, started = SingleFlight(), [], threading.Event()
    landing = threading.Event()

    def call() -> bytes:
        calls.append(1)
        started.set()
        landing.wait(10)
        return b"value"

    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(flights.run("a", call))) for _ in range(6)]
    for thread in threads:
        thread.start()
    started.wait(10)
    time.sleep(0.05)
    landing.set()
    for thread in threads:
        thread.join(10)
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


def test_who_has_no_time_goes_and_the_call_goes_on_for_those_who_come_later() -> None:
    flights, landing, calls = SingleFlight(), threading.Event(), []

    def call() -> bytes:
        calls.append(1)
        assert landing.wait(10)
        return b"value"

    with pytest.raises(FutureTimeout):
        flights.run("a", call, wait_seconds=0.05)
    threading.Timer(0.1, landing.set).start()
    assert flights.run("a", call) == b"value"
    assert calls == [1]
