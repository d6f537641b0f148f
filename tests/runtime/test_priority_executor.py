from __future__ import annotations

import threading

import pytest

from backend.errors import ClientDisconnected, Overloaded
from backend.runtime import Deadline, PriorityExecutor, make_way
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


def test_bulk_work_makes_way_for_clicks_that_are_queued_or_running() -> None:
    executor = PriorityExecutor(2, for_clicks=1)
    begun, go, clicking, click_ends = (threading.Event() for _ in range(4))
    order: list[str] = []

    def bulk() -> None:
        begun.set()
        go.wait(10)
        make_way()
        order.append("second half of bulk")

    def click() -> None:
        clicking.set()
        click_ends.wait(10)
        order.append("click")

    work = executor.submit(Priority.BULK, bulk)
    assert begun.wait(10)
    clicks = [executor.submit(Priority.CLICK, click) for _ in range(2)]
    assert clicking.wait(10)
    go.set()
    with pytest.raises(TimeoutError):
        work.result(0.2)
    click_ends.set()
    work.result(10)
    assert order == ["click", "click", "second half of bulk"]
    assert all(future.done() for future in clicks)


@pytest.mark.parametrize("priority", [Priority.CLICK, Priority.WARM, Priority.PREFETCH])
def test_other_work_than_bulk_does_not_make_way(priority: Priority) -> None:
    executor, running = PriorityExecutor(3, for_clicks=1), threading.Event()
    go = threading.Event()
    executor.submit(Priority.CLICK, lambda: running.set() or go.wait(10))
    assert running.wait(10)
    executor.submit(priority, make_way).result(10)
    go.set()


def test_bulk_work_without_a_thread_for_clicks_never_waits_for_them(blocked) -> None:
    executor, go = blocked
    bulk = executor.submit(Priority.BULK, make_way)
    go.set()
    bulk.result(10)


def test_a_click_that_was_given_up_in_the_queue_holds_up_no_bulk_work() -> None:
    executor, go, both_run = PriorityExecutor(2, for_clicks=1), threading.Event(), threading.Barrier(3)
    for _ in range(2):
        executor.submit(Priority.CLICK, lambda: (both_run.wait(10), go.wait(10)))
    both_run.wait(10)
    with pytest.raises(Overloaded):
        executor.run(Priority.CLICK, lambda: None, Deadline.after(0.05))
    go.set()
    executor.submit(Priority.BULK, make_way).result(10)


@pytest.mark.parametrize("error", [Overloaded, ClientDisconnected])
def test_bulk_work_ends_where_it_makes_way_when_its_request_is_over(error: type[Exception]) -> None:
    executor, parts, is_over = PriorityExecutor(2, for_clicks=1), [], threading.Event()
    deadline = Deadline.after(0.3) if error is Overloaded else Deadline(has_disconnected=is_over.is_set)

    def bulk() -> None:
        for part in range(1000):
            make_way()
            parts.append(part)
            threading.Event().wait(0.01)
            if part == 3:
                is_over.set()

    work = executor.submit(Priority.BULK, bulk, deadline)
    with pytest.raises(error):
        work.result(20)
    assert len(parts) < 1000


def test_make_way_outside_the_queue_does_nothing() -> None:
    make_way()
