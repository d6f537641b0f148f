"""Actors of a real Ray under the pool: what dies is replaced, nothing is lost, and nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from backend.bulk import RayActors, WorkerDied, WorkerProcesses, WorkerRunner
from backend.errors import BadImage
from tests.paths import ROOT
from tests.processes import children_of, is_running

pytestmark = pytest.mark.slow
TOYS = "tests.bulk.toy_workers"
SECONDS = 120.0


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayActors]:
    """Two actors in a Ray of two CPUs that several runs share."""
    host = RayActors(f"{TOYS}:build", [4, 4], calls_at_once=4)
    yield host
    host.close()


@pytest.fixture(scope="module")
def two_actors(actors: RayActors) -> Iterator[WorkerRunner]:
    runner = WorkerRunner(actors, in_flight=4)
    yield runner
    runner.close()


def processes_in(folder: str) -> list[int]:
    """The processes whose command line names the session folder of a Ray."""
    running = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in command:
            running.append(int(path.parent.name))
    return running


def test_results_are_those_of_the_processes(two_actors: WorkerRunner) -> None:
    tasks = [{"id": number, "do": "fail" if number == 5 else "sleep", "seconds": 0.01} for number in range(40)]
    processes = WorkerRunner(WorkerProcesses(f"{TOYS}:build", [4]), in_flight=4)

    def results(runner: WorkerRunner) -> dict:
        return {
            outcome.task["id"]: (outcome.prediction and outcome.prediction["result"], str(outcome.error))
            for outcome in runner(tasks)
        }

    expected = results(processes)
    processes.close()
    assert results(two_actors) == expected
    assert expected[5] == (None, "The image is damaged. Upload it again.")


def test_an_actor_that_is_killed_in_mid_run_is_replaced_and_each_task_is_done_once(two_actors: WorkerRunner) -> None:
    pids: set[int] = set()
    given: list[int] = []

    def tasks() -> Iterator[dict]:
        """Until a third actor has taken part; the last ones are in flight then."""
        for number in range(20_000):
            if len(pids) == 3:
                return
            given.append(number)
            yield {"id": number, "do": "sleep", "seconds": 0.02}

    done: list[int] = []
    for outcome in two_actors(tasks()):
        assert outcome.prediction is not None
        done += outcome.prediction["result"]
        pids.add(outcome.prediction["pid"])
        if len(done) == 10:
            os.kill(outcome.prediction["pid"], signal.SIGKILL)
    assert sorted(done) == given
    assert len(pids) == 3


def test_a_task_that_kills_its_actor_fails_after_two_tries_and_takes_no_other_with_it(
    two_actors: WorkerRunner,
) -> None:
    outcomes = {
        one.task["id"]: one for one in two_actors([{"id": n, "do": "die" if n == 7 else ""} for n in range(20)])
    }
    (failed,) = [one for one in outcomes.values() if one.error is not None]
    assert (failed.task["id"], type(failed.error), len(outcomes)) == (7, WorkerDied, 20)
    assert "It killed its Ray actor 2 times. The Ray actor ended (" in str(failed.error)


def test_errors_keep_their_class_and_what_cannot_be_sent_fails_alone(two_actors: WorkerRunner) -> None:
    tasks = [{"id": 1, "do": "fail"}, {"id": 2, "do": "return a function"}, {"id": 3, "do": lambda: None}, {"id": 4}]
    errors = {outcome.task["id"]: outcome.error for outcome in two_actors(tasks)}
    assert isinstance(errors[1], BadImage)
    assert "pickle" in str(errors[2])
    assert errors[3] is not None
    assert errors[4] is None


def test_an_idle_actor_that_dies_is_replaced_before_the_next_run(two_actors: WorkerRunner) -> None:
    (outcome,) = two_actors([{"id": 1}])
    victim = outcome.prediction["pid"]
    os.kill(victim, signal.SIGKILL)
    outcomes = list(two_actors([{"id": n, "do": "sleep", "seconds": 0.02} for n in range(60)]))
    assert [outcome.error for outcome in outcomes] == [None] * 60
    assert victim not in {outcome.prediction["pid"] for outcome in outcomes}


def test_another_run_joins_a_ray_by_its_address_and_leaves_it_running(two_actors: WorkerRunner) -> None:
    """One that asks for the CPUs that the two actors hold is not placed, and says so."""
    list(two_actors([{"id": 1}]))
    address = ray.get_runtime_context().gcs_address
    said = run_toy("join", address)
    assert "Ray has started no actor within 3 s; free are 0 CPUs and 0 GPUs." in said
    assert [outcome.error for outcome in two_actors([{"id": 2}])] == [None]


def test_more_actors_than_cpus_are_refused(two_actors: WorkerRunner) -> None:
    list(two_actors([{"id": 1}]))
    address = ray.get_runtime_context().gcs_address
    cpus = int(ray.cluster_resources()["CPU"])
    said = run_toy("join", address, str(cpus + 1))
    assert f"{cpus + 1} Ray actors need {cpus + 1} CPUs, and Ray has {cpus}." in said


def test_an_interrupted_run_finishes_what_is_in_flight_and_leaves_no_process_and_no_folder() -> None:
    process = start_toy("sleep")
    assert process.stdout is not None
    folder = process.stdout.readline().strip()
    started = processes_in(folder)
    children = [*started, *(child for number in started for child in children_of(number))]
    assert len(children) > len(started) >= 3
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it to all of them
    said, complaints = process.communicate(timeout=SECONDS)
    assert (process.returncode, "Traceback" in complaints) == (130, False), complaints
    assert "stopped without an error" in said
    wait_until_gone(children)
    assert processes_in(folder) == []
    assert not Path(folder).exists()


def test_a_run_that_is_killed_takes_its_ray_along() -> None:
    process = start_toy("sleep")
    assert process.stdout is not None
    folder = process.stdout.readline().strip()
    started = processes_in(folder)
    assert len(started) >= 3
    process.kill()
    process.communicate()
    wait_until_gone(started)
    shutil.rmtree(folder)


def wait_until_gone(numbers: list[int]) -> None:
    deadline = time.monotonic() + SECONDS
    while any(is_running(number) for number in numbers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start_toy(*arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.bulk.toy_ray", *arguments]
    pipe = subprocess.PIPE
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=_at_a_terminal
    )


def _at_a_terminal() -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_toy(*arguments: str) -> str:
    process = start_toy(*arguments)
    return "".join(process.communicate(timeout=SECONDS))
