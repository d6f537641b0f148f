"""Worker processes: no task is lost or done twice whatever dies, and one that kills its worker twice has failed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.bulk import Progress, WorkerDied, WorkerProcesses, WorkerRunner, WorkersUnusable
from backend.errors import BadImage, CheckpointError

TOYS = "tests.bulk.toy_workers"
SECONDS = 50.0  # less than the 60 that a task sleeps


@pytest.fixture(scope="module")
def two_workers() -> Iterator[WorkerRunner]:
    """Two workers that serve several tests, as they serve several runs."""
    runner = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [4, 4]), in_flight=4)
    yield runner
    runner.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_task_is_predicted_once_and_both_workers_take_part(two_workers: WorkerRunner) -> None:
    tasks = [{"id": number, "do": "sleep", "seconds": 0.005} for number in range(60)]
    outcomes = list(two_workers(tasks))
    assert sorted(outcome.prediction["result"][0] for outcome in outcomes) == list(range(60))
    assert len({outcome.prediction["pid"] for outcome in outcomes}) == 2
    assert os.getpid() not in {outcome.prediction["pid"] for outcome in outcomes}


def test_an_image_that_kills_its_worker_fails_after_two_tries_and_takes_no_other_with_it(
    two_workers: WorkerRunner,
) -> None:
    tasks = [{"id": number, "do": "die" if number in (7, 8) else ""} for number in range(30)]
    outcomes = {outcome.task["id"]: outcome for outcome in two_workers(tasks)}
    failed = {number: outcome.error for number, outcome in outcomes.items() if outcome.error is not None}
    assert {number: type(error) for number, error in failed.items()} == {7: WorkerDied, 8: WorkerDied}
    assert "killed its worker process 2 times. The worker process ended (signal 9)." in str(failed[7])
    assert len(outcomes) == 30


def test_a_worker_that_is_killed_from_outside_costs_no_task(two_workers: WorkerRunner, tmp_path: Path) -> None:
    tasks = [{"id": number, "do": "", "marker": str(tmp_path / "marker")} for number in range(30)]
    tasks[3]["do"] = "die once"
    outcomes = list(two_workers(tasks))
    assert sorted(outcome.prediction["result"][0] for outcome in outcomes) == list(range(30))


def test_errors_come_back_with_their_remedy(two_workers: WorkerRunner) -> None:
    (outcome,) = two_workers([{"id": 1, "do": "fail"}])
    assert isinstance(outcome.error, BadImage)
    assert (outcome.error.message, outcome.error.remedy) == ("The image is damaged.", "Upload it again.")


def test_a_value_that_cannot_be_sent_fails_its_task_alone(two_workers: WorkerRunner) -> None:
    outcomes = {
        outcome.task["id"]: outcome for outcome in two_workers([{"id": 1, "do": "return a function"}, {"id": 2}])
    }
    assert "pickle" in str(outcomes[1].error)
    assert outcomes[2].error is None


def test_a_task_that_cannot_be_sent_fails_alone(two_workers: WorkerRunner) -> None:
    outcomes = {outcome.task["id"]: outcome for outcome in two_workers([{"id": 1, "do": lambda: None}, {"id": 2}])}
    assert outcomes[1].error is not None
    assert outcomes[2].error is None


def test_the_parent_counts_what_the_workers_stages_did() -> None:
    progress = Progress(["fetch", "predict"])
    runner = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [4]), in_flight=4, progress=progress)
    list(runner([{"id": 1}, {"id": 2, "do": "fail"}, {"id": 3}]))
    runner.close()
    counted = progress.snapshot()
    assert (counted.taken, counted.finished, counted.failed) == (3, 3, 1)
    assert counted.noted == {"fetched": 3}
    assert list(counted.stages) == ["fetch", "predict"]
    assert (counted.stages["fetch"].items, counted.stages["predict"].items) == (3, 2)
    assert counted.stages["predict"].failed == 1


def test_closing_ends_the_processes_at_once_and_a_later_run_starts_new_ones() -> None:
    runner = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [2]), in_flight=2)
    outcomes = runner([{"id": 1}, *({"id": number, "do": "sleep", "seconds": 60} for number in range(2, 5))])
    first = next(outcomes)
    started = time.monotonic()
    outcomes.close()
    assert time.monotonic() - started < SECONDS
    with pytest.raises(ProcessLookupError):
        os.kill(first.prediction["pid"], 0)
    again = runner([{"id": 9}])
    assert next(again).prediction["result"] == [9]
    runner.close()


def test_stop_returns_what_the_workers_have_and_drops_the_rest() -> None:
    runner = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [2]), in_flight=2)
    outcomes = runner({"id": number, "do": "sleep", "seconds": 0.05} for number in range(1000))
    next(outcomes)
    outcomes.stop()
    assert len(list(outcomes)) <= 4
    runner.close()


def test_a_worker_that_cannot_build_its_pipeline_ends_the_run_with_its_reason() -> None:
    with pytest.raises(CheckpointError, match="There are no weights"):
        WorkerRunner(WorkerProcesses(f"{TOYS}:refuse", [None]))([{"id": 1}])


def test_an_argument_that_cannot_be_sent_ends_the_run_instead_of_hanging_it() -> None:
    with pytest.raises(Exception, match="pickle"):
        WorkerRunner(WorkerProcesses(f"{TOYS}:build", [lambda: None]))([{"id": 1}])


def test_a_value_that_cannot_be_read_back_fails_its_task_and_the_worker_is_replaced(two_workers: WorkerRunner) -> None:
    tasks = [{"id": 1, "do": "return what cannot be read"}, {"id": 2}, {"id": 3}]
    outcomes = {outcome.task["id"]: outcome for outcome in two_workers(tasks)}
    assert isinstance(outcomes[1].error, WorkerDied)
    assert [outcomes[number].error for number in (2, 3)] == [None, None]


def test_a_worker_that_dies_at_its_start_ends_the_run() -> None:
    with pytest.raises(WorkersUnusable, match=r"died 3 times without an item \(exit status 3\)"):
        WorkerRunner(WorkerProcesses(f"{TOYS}:die_at_start", [None]))([{"id": 1}])


def test_workers_ignore_an_interrupt_of_the_terminal_and_end_with_their_parent() -> None:
    runner = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [2]), in_flight=2)
    outcomes = runner([{"id": 1}, {"id": 2}])
    pid = next(outcomes).prediction["pid"]
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert next(outcomes).prediction["pid"] == pid
    runner.close()


def test_no_thread_or_process_is_left_behind() -> None:
    before = {thread.ident for thread in threading.enumerate()}
    children = {child.pid for child in multiprocessing.active_children()}
    runner = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [2]))
    outcomes = runner([{"id": 1}])
    list(outcomes)
    outcomes.close()
    assert len(multiprocessing.active_children()) == len(children) + 1, "kept for the next run"
    runner.close()
    wait_until(lambda: {thread.ident for thread in threading.enumerate()} <= before)
    assert {child.pid for child in multiprocessing.active_children()} <= children
