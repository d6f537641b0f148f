"""The record of where the time of a request went. The clock is the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from backend.errors import Overloaded
from backend.runtime import (
    Deadline,
    PriorityExecutor,
    SingleFlight,
    StageRecord,
    note_embedding,
    stage,
    stages,
    start_record,
    timed,
)
from backend.values import Priority


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stages, "time", clock)
    return clock


@pytest.fixture
def record() -> Iterator[StageRecord]:
    """The record of this thread until the end of the test."""
    record = StageRecord()
    start_record(record)
    yield record
    start_record(None)


def test_the_time_of_a_stage_is_added_up(clock: Clock, record: StageRecord) -> None:
    for seconds in (1.0, 2.0):
        with stage("fetch"):
            clock.now += seconds
    assert record.seconds == {"fetch": 3.0}


def test_a_stage_within_a_stage_counts_for_itself_alone(clock: Clock, record: StageRecord) -> None:
    with stage("encode"):
        clock.now += 1
        with stage("decode"):
            clock.now += 2
            with stage("cache"):
                clock.now += 4
        clock.now += 8
    assert record.seconds == {"cache": 4.0, "decode": 2.0, "encode": 9.0}


def test_a_stage_that_fails_counts_too(clock: Clock, record: StageRecord) -> None:
    @timed("sam")
    def fail() -> None:
        clock.now += 1
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert record.seconds == {"sam": 1.0}


def test_without_a_record_nothing_is_measured(clock: Clock) -> None:
    start_record(None)
    with stage("fetch"):
        note_embedding("redis")


def test_the_most_expensive_source_of_an_embedding_is_kept(record: StageRecord) -> None:
    assert record.embedding_source == ""
    note_embedding("redis")
    note_embedding("memory")
    assert record.embedding_source == "redis"
    note_embedding("computed")
    assert record.embedding_source == "computed"


def test_a_model_thread_adds_to_the_record_of_the_request_that_queued_the_work(clock: Clock) -> None:
    """Two requests at once, on one thread of the models."""
    executor, records = PriorityExecutor(1, 8), {"sam": StageRecord(), "clip": StageRecord()}

    def ask(name: str) -> None:
        def work() -> None:
            with stage(name):
                clock.now += 1

        start_record(records[name])
        executor.run(Priority.CLICK, work)

    threads = [threading.Thread(target=ask, args=(name,)) for name in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    executor.close()
    assert records["sam"].seconds["sam"] == 1.0
    assert records["clip"].seconds["clip"] == 1.0
    assert "clip" not in records["sam"].seconds and "sam" not in records["clip"].seconds


def test_the_time_in_the_queue_is_counted_also_if_it_was_in_vain(record: StageRecord) -> None:
    executor, release, started = PriorityExecutor(1, 8), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(30)

    executor.submit(Priority.CLICK, block)
    assert started.wait(30)
    with pytest.raises(Overloaded):
        executor.run(Priority.CLICK, lambda: None, Deadline.after(0.2))
    release.set()
    executor.close()
    assert record.seconds["queue"] >= 0.2


def test_a_call_on_a_thread_of_its_own_adds_to_the_record_of_its_caller(clock: Clock, record: StageRecord) -> None:
    def call() -> str:
        with stage("fetch"):
            clock.now += 1
        return "done"

    assert SingleFlight[str, str]().start("key", call).result(30) == "done"
    assert record.seconds == {"fetch": 1.0}
