"""Stages in threads: order of work, bounds, failures, and how a run ends."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from backend.bulk import Failed, Pipeline, Progress, Stage

SECONDS = 10.0


class Gate:
    """Work that blocks until it is opened, and tells when it has begun."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Semaphore(0), threading.Event()

    def __call__(self, value: int) -> int:
        self.begun.release()
        assert self.open.wait(SECONDS)
        return value


class Counted:
    """The numbers from 0, counting those that were pulled."""

    def __init__(self, count: int) -> None:
        self.count, self.pulled = count, 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.pulled += 1
            yield number


def refuse_three(value: int) -> int:
    if value == 3:
        raise ValueError("three")
    return value * 10


def test_each_item_yields_its_value_once_through_all_stages() -> None:
    pipeline = Pipeline([Stage("double", lambda n: 2 * n, threads=3), Stage("add", lambda n: n + 1, threads=2)])
    finished = list(pipeline.run(range(100)))
    assert sorted((one.item, one.value) for one in finished) == [(n, 2 * n + 1) for n in range(100)]


def test_a_failing_item_yields_its_error_and_stage_and_stops_no_other() -> None:
    pipeline = Pipeline([Stage("first", lambda n: n), Stage("second", refuse_three), Stage("third", lambda n: n)])
    finished = {one.item: one for one in pipeline.run(range(6))}
    assert (str(finished[3].error), finished[3].stage) == ("three", "second")
    assert [finished[n].value for n in (0, 1, 2, 4, 5)] == [0, 10, 20, 40, 50]


def test_a_stage_that_exits_its_thread_fails_the_item_instead_of_hanging_the_run() -> None:
    def leave(value: int) -> int:
        raise SystemExit(value)

    (finished,) = Pipeline([Stage("leave", leave)]).run([7])
    assert "SystemExit(7)" in str(finished.error)


def test_one_bad_value_of_a_batch_fails_alone() -> None:
    pipeline = Pipeline([Stage("batch", lambda values: [refuse_three(n) for n in values], max_batch=4)])
    finished = {one.item: one for one in pipeline.run(range(6))}
    assert [number for number, one in finished.items() if one.error is not None] == [3]
    assert finished[2].value == 20


def test_a_batch_may_say_which_of_its_values_failed() -> None:
    calls: list[list[int]] = []

    def work(values: list[int]) -> list[int | Failed]:
        calls.append(values)
        return [Failed(ValueError("odd")) if n % 2 else n for n in values]

    finished = {one.item: one for one in Pipeline([Stage("batch", work, max_batch=8)]).run(range(6))}
    assert [number for number in range(6) if finished[number].error is not None] == [1, 3, 5]
    assert sorted(n for values in calls for n in values) == list(range(6)), "nothing was tried twice"


def test_a_batch_with_a_value_too_few_fails_instead_of_losing_an_item() -> None:
    finished = list(Pipeline([Stage("short", lambda values: values[1:], max_batch=2)]).run(range(4)))
    assert len(finished) == 4
    assert {str(one.error) for one in finished} == {'Stage "short" returned 0 values for 1.'}


def test_batches_are_filled_with_what_waits_and_never_waited_for() -> None:
    gate, sizes = Gate(), []
    pipeline = Pipeline(
        [Stage("gate", gate), Stage("batch", lambda values: sizes.append(len(values)) or values, max_batch=4)],
        window=4,
    )
    gate.open.set()
    assert len(list(pipeline.run(range(10)))) == 10
    assert max(sizes) <= 4
    assert sum(sizes) == 10


def test_stages_of_a_pool_share_its_thread_and_finish_what_was_begun() -> None:
    order: list[tuple[str, int, int]] = []

    def note(name: str):
        def work(value: int) -> int:
            order.append((name, value, threading.get_ident()))
            return value

        return work

    gate = Gate()
    pool = [Stage("encode", note("encode"), pool="model"), Stage("segment", note("segment"), pool="model")]
    pipeline = Pipeline([Stage("gate", gate, threads=3), *pool], window=3)
    gate.open.set()
    list(pipeline.run(range(5)))
    assert len({thread for _, _, thread in order}) == 1
    for (stage, number, _), (next_stage, next_number, _) in zip(order[::2], order[1::2], strict=True):
        assert (stage, next_stage, number) == ("encode", "segment", next_number)


def test_a_shared_thread_lets_batches_fill_up_before_it_serves_them() -> None:
    gate, sizes = Gate(), []
    classify = Stage("classify", lambda values: sizes.append(len(values)) or values, max_batch=3, pool="model")
    pipeline = Pipeline([Stage("encode", gate, pool="model"), classify], window=6)
    gate.open.set()
    run = pipeline.run(range(6))
    gate.open.clear()
    collected: list[int] = []
    consumer = threading.Thread(target=lambda: collected.extend(one.item for one in run))
    consumer.start()
    assert gate.begun.acquire(timeout=SECONDS)  # all six are pulled while the first one is held
    while pipeline.progress.snapshot().taken < 6:
        time.sleep(0.001)
    gate.open.set()
    consumer.join(SECONDS)
    assert sizes == [3, 3]
    assert sorted(collected) == list(range(6))


def test_no_more_than_the_window_is_in_the_stages_and_no_more_than_the_lookahead_is_pulled() -> None:
    numbers, inside, most = Counted(1000), set(), []

    def enter(value: int) -> int:
        inside.add(value)
        most.append(len(inside))
        return value

    def leave(value: int) -> int:
        time.sleep(0.001)
        inside.discard(value)
        return value

    pipeline = Pipeline([Stage("enter", enter, threads=4), Stage("leave", leave)], window=5, lookahead=20)
    with pipeline.run(numbers) as run:
        for count, _ in enumerate(run, start=1):
            assert numbers.pulled - count < 20 + 1
            if count == 50:
                break
    assert max(most) <= 5


def test_nothing_is_pulled_before_the_first_result_is_asked_for() -> None:
    numbers = Counted(5)
    with Pipeline([Stage("same", lambda n: n)]).run(numbers):
        assert numbers.pulled == 0


def test_a_slow_consumer_leaves_the_stages_work_until_the_lookahead_is_done() -> None:
    done = threading.Semaphore(0)

    def work(value: int) -> int:
        done.release()
        return value

    with Pipeline([Stage("work", work)], window=2, lookahead=10).run(Counted(1000)) as run:
        for _ in range(30):
            next(run)
        for _ in range(30 + 9):  # while the consumer does something else
            assert done.acquire(timeout=SECONDS)
        assert not done.acquire(timeout=0.05)


def test_a_result_is_not_held_back_by_a_slow_input() -> None:
    released = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        while not processed.is_set():
            time.sleep(0.001)
        time.sleep(0.01)
        yield 2
        assert released.wait(SECONDS), "the first result has to come before the third item"
        yield 3

    processed = threading.Event()
    with Pipeline([Stage("work", lambda n: processed.set() or n)], lookahead=100).run(slow()) as run:
        assert next(run).item == 1
        released.set()
        assert [one.item for one in run] == [2, 3]


def test_an_exception_of_the_input_surfaces_after_what_was_pulled_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        raise ConnectionError("Label Studio is away")

    run, items = Pipeline([Stage("same", lambda n: n)]).run(broken()), []
    with pytest.raises(ConnectionError, match="Label Studio is away"):
        for one in run:
            items.append(one.item)
    assert sorted(items) == [0, 1, 2]
    with pytest.raises(StopIteration):
        next(run)


def test_after_stop_what_is_in_the_stages_is_finished_and_what_waits_is_dropped() -> None:
    begun, permits = threading.Semaphore(0), threading.Semaphore(0)

    def numbers() -> Iterator[int]:
        for number in range(100):
            if number == 5:  # so that some wait when the first one has its result
                permits.release()
            yield number

    def work(value: int) -> int:
        begun.release()
        assert permits.acquire(timeout=SECONDS)
        return value

    run = Pipeline([Stage("work", work)], window=1, lookahead=10).run(numbers())
    assert next(run).item == 0
    for _ in range(2):  # the second has begun and waits for its permit
        assert begun.acquire(timeout=SECONDS)
    run.stop()
    permits.release()
    assert [one.item for one in run] == [1]


def test_after_stop_only_what_has_come_to_the_models_is_finished() -> None:
    encoding, fetching, may_encode, may_fetch = (threading.Event() for _ in range(4))
    encoded: list[int] = []

    def fetch(value: int) -> int:
        if value:
            fetching.set()
            assert may_fetch.wait(SECONDS)
        return value

    def encode(value: int) -> int:
        encoded.append(value)
        encoding.set()
        assert may_encode.wait(SECONDS)
        return value

    pipeline = Pipeline([Stage("fetch", fetch), Stage("encode", encode, pool="model"), Stage("build", lambda n: n)])
    run, results = pipeline.run(range(100)), []
    consumer = threading.Thread(target=lambda: results.extend(one.item for one in run))
    consumer.start()
    assert encoding.wait(SECONDS) and fetching.wait(SECONDS)  # 0 is in the model, 1 is being fetched
    run.stop()
    may_fetch.set()
    may_encode.set()
    consumer.join(SECONDS)
    assert (results, encoded) == ([0], [0])


def test_close_drops_what_is_in_flight_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    gate = Gate()
    run = Pipeline([Stage("gate", gate, threads=2), Stage("next", lambda n: n)], window=4).run(range(100))
    consumer = threading.Thread(target=lambda: next(run, None))
    consumer.start()
    assert gate.begun.acquire(timeout=SECONDS)
    closer = threading.Thread(target=run.close)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive(), "the calls in the stages are waited for"
    gate.open.set()
    closer.join(SECONDS)
    consumer.join(SECONDS)
    assert set(threading.enumerate()) <= before
    assert list(run) == []


def test_a_finished_run_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    list(Pipeline([Stage("same", lambda n: n, threads=5)]).run(range(10)))
    assert set(threading.enumerate()) <= before


def test_an_interrupted_consumer_can_go_on() -> None:
    def interrupted() -> Iterator[int]:
        yield from range(3)
        raise KeyboardInterrupt

    run, items = Pipeline([Stage("same", lambda n: n)], lookahead=8).run(interrupted()), []
    with pytest.raises(KeyboardInterrupt):
        while True:
            items.append(next(run).item)
    run.stop()
    items += [one.item for one in run]
    assert len(items) == len(set(items))
    assert {0, 1, 2} >= set(items)


def test_memory_does_not_grow_with_the_number_of_items() -> None:
    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        pipeline = Pipeline([Stage("fill", lambda n: bytes(100_000)), Stage("size", len)], window=4, lookahead=16)
        for _ in pipeline.run(range(count)):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert peak(2000) < peak(100) + 200_000


def test_counters_say_what_each_stage_did() -> None:
    progress = Progress(["first", "second"])
    pipeline = Pipeline([Stage("first", lambda n: n), Stage("second", refuse_three)], progress=progress)
    list(pipeline.run(range(5)))
    counted = progress.snapshot()
    assert (counted.taken, counted.finished, counted.failed, counted.in_flight) == (5, 5, 1, 0)
    assert (counted.stages["first"].items, counted.stages["second"].items, counted.stages["second"].failed) == (5, 4, 1)
    assert counted.stages["first"].busy_seconds > 0


def test_the_remaining_time_follows_from_the_mean_rate() -> None:
    now = [100.0]
    progress = Progress(clock=lambda: now[0])
    assert progress.snapshot().remaining_seconds is None
    progress.expect(10)
    now[0] = 104.0
    for _ in range(4):
        progress.finish()
    assert progress.snapshot().remaining_seconds == 6.0


@pytest.mark.parametrize("bad", [{"window": 0}, {"lookahead": 0}, {"stages": []}])
def test_a_pipeline_without_room_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pipeline(**{"stages": [Stage("same", lambda n: n)], **bad})  # type: ignore[arg-type]
