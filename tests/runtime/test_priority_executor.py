from __future__ import annotations

import threading

import pytest

from backend.errors import ClientDisconnected, Overloaded
from backend.runtime import Deadline, PriorityExecutor
from backend.values import Priority


@pytest.fixture
def blocked() -> tuple[PriorityExecutor, threading.Event]:
    """An executor whose only thread is busy until the event is set."""
    executor, go, busy = PriorityExecutor(threads=1), threading.Event(), threading.Event()

    def wait() -> None:
        busy.set()
        go.wait(10)

    executor.submit(Priority.CLICK, wait)
    assert busy.wait(10)
    return executor, go


def test_clicks_go_before_opened_tasks_those_before_prefetching_and_all_before_bulk(blocked) -> None:
    executor, go = blocked
    order: list[str] = []
    futures = [
        executor.submit(priority, lambda name=name: order.append(name))
        for priority, name in [(Priority.BULK, "bulk"), (Priority.PREFETCH, "prefetch"), (Priority.CLICK, "click")]
    ]
    go.set()
    for future in futures:
        future.result(10)
    assert order == ["click", "prefetch", "bulk"]


def test_an_error_reaches_the_one_who_waits_and_the_thread_lives_on() -> None:
    executor = PriorityExecutor(threads=1)
    with pytest.raises(ZeroDivisionError):
        executor.run(Priority.CLICK, lambda: 1 // 0)
    assert executor.run(Priority.CLICK, lambda: 5) == 5


def test_work_that_does_not_get_its_turn_in_time_is_dropped(blocked) -> None:
    executor, go = blocked
    ran: list[int] = []
    with pytest.raises(Overloaded, match="Timed out after 0 s in the model queue"):
        executor.run(Priority.CLICK, lambda: ran.append(1), Deadline.after(0.05))
    go.set()
    executor.run(Priority.BULK, lambda: None)
    assert ran == []


def test_work_that_nobody_waits_for_any_more_is_dropped(blocked) -> None:
    executor, go = blocked
    ran: list[int] = []
    gone = threading.Event()
    threading.Timer(0.1, gone.set).start()
    with pytest.raises(ClientDisconnected):
        executor.run(Priority.CLICK, lambda: ran.append(1), Deadline(has_disconnected=gone.is_set))
    assert gone.is_set()
    with pytest.raises(ClientDisconnected):
        executor.run(Priority.CLICK, lambda: ran.append(2), Deadline(has_disconnected=gone.is_set))
    assert executor.waiting <= 1, "what was asked by somebody who had left already is not even queued"
    go.set()
    executor.run(Priority.BULK, lambda: None)
    assert ran == []


def test_a_timeout_of_the_work_itself_is_not_taken_for_the_queues() -> None:
    def work() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        PriorityExecutor(1).run(Priority.CLICK, work, Deadline.after(10))


def test_cancelled_work_is_not_run(blocked) -> None:
    executor, go = blocked
    ran: list[int] = []
    future = executor.submit(Priority.BULK, lambda: ran.append(1))
    assert future.cancel()
    go.set()
    executor.run(Priority.BULK, lambda: None)
    assert ran == []


def test_closing_cancels_what_waits_and_refuses_more(blocked) -> None:
    executor, go = blocked
    future = executor.submit(Priority.BULK, lambda: 1)
    executor.close()
    go.set()
    assert future.cancelled()
    with pytest.raises(Overloaded, match="shutting down"):
        executor.submit(Priority.CLICK, lambda: 1)


def test_a_thread_for_clicks_is_free_while_warming_fills_all_others() -> None:
    executor, go, busy = PriorityExecutor(threads=2, for_clicks=1), threading.Event(), threading.Event()

    def wait() -> int:
        busy.set()
        go.wait(10)
        return 1

    slow = [executor.submit(priority, wait) for priority in (Priority.WARM, Priority.PREFETCH, Priority.BULK)]
    assert busy.wait(10)
    assert [executor.run(Priority.CLICK, lambda: 5, Deadline.after(10)) for _ in range(3)] == [5, 5, 5]
    assert not any(future.done() for future in slow)
    go.set()
    assert [future.result(10) for future in slow] == [1, 1, 1]


def test_a_closed_executor_lets_its_threads_go() -> None:
    executor = PriorityExecutor(threads=3, for_clicks=1)
    executor.close()
    for thread in executor._threads:
        thread.join(10)
        assert not thread.is_alive()
