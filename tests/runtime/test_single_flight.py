"""One call for many who want the same at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

import pytest

from backend.runtime import SingleFlight


class Held:
    """A call that lasts until it is let go; counts how often it is made."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls, self.threads = 0, []
        self.is_running, self.may_end, self._error = threading.Event(), threading.Event(), error

    def __call__(self) -> bytes:
        self.calls += 1
        self.threads.append(threading.current_thread())
        self.is_running.set()
        assert self.may_end.wait(10)
        if self._error is not None:
            raise self._error
        return b"value"


def run_on_threads(flights: SingleFlight[str, bytes], call: Held, count: int) -> tuple[list[threading.Thread], list]:
    """Threads that run `call` and keep its value or its error."""
    kept: list[object] = []
    joined = threading.Semaphore(0)

    def run() -> None:
        future = flights.run("a", call)
        joined.release()
        try:
            kept.append(future.result(10))
        except ValueError as error:
            kept.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    assert call.is_running.wait(10)
    assert all(joined.acquire(timeout=10) for _ in range(count - 1))  # all but the one that makes the call
    return threads, kept


@pytest.mark.parametrize("error", [None, ValueError("broken")])
def test_all_who_come_while_a_call_runs_get_its_value_or_its_error(error: ValueError | None) -> None:
    call = Held(error)
    threads, kept = run_on_threads(SingleFlight(), call, 6)
    call.may_end.set()
    for thread in threads:
        thread.join(10)
    assert kept == [error or b"value"] * 6
    assert call.calls == 1


def test_the_first_runs_the_call_on_its_own_thread_and_the_second_does_not_wait() -> None:
    flights, call = SingleFlight[str, bytes](), Held()
    (thread,), kept = run_on_threads(flights, call, 1)
    future = flights.run("a", call)
    assert not future.done()
    call.may_end.set()
    assert future.result(10) == b"value"
    thread.join(10)
    assert (kept, call.threads) == ([b"value"], [thread])


def test_a_caller_may_go_while_the_call_goes_on_for_those_who_come_later() -> None:
    flights, call = SingleFlight[str, bytes](), Held()
    with pytest.raises(FutureTimeout):
        flights.start("a", call).result(0.05)
    later = flights.run("a", call)
    call.may_end.set()
    assert later.result(60) == b"value"
    assert call.calls == 1
    assert threading.current_thread() not in call.threads


def test_other_keys_do_not_wait() -> None:
    flights = SingleFlight[str, bytes]()
    assert flights.run("a", lambda: flights.run("b", lambda: b"inner").result() + b" and outer").result() == (
        b"inner and outer"
    )


@pytest.mark.parametrize("start", [SingleFlight.run, SingleFlight.start])
def test_a_call_is_forgotten_before_its_result_is_seen(start) -> None:
    flights, calls = SingleFlight[str, int](), []

    def call() -> int:
        calls.append(1)
        return len(calls)

    seen: list[int] = []

    def ask_again(future: Future[int]) -> None:
        seen.append(flights.run("a", call).result())

    future = Future[int]()
    flights._running["a"] = future  # a call that another thread makes
    future.add_done_callback(ask_again)
    flights._complete("a", future, call)
    assert (future.result(), seen) == (1, [2])
    assert start(flights, "a", call).result(10) == 3


def test_an_error_is_raised_to_the_caller_and_the_next_call_is_a_new_one() -> None:
    flights = SingleFlight[str, bytes]()

    def fail() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flights.run("a", fail).result()
    assert flights.run("a", lambda: b"there").result() == b"there"
