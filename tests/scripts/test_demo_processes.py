"""Programs of the demo: nothing is left running, and an end that nobody asked for is told with the log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.demo_circle import processes
from scripts.demo_circle.processes import DemoError, Program, Programs
from tests.processes import is_running

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
time.sleep(300)
"""
SLEEP = "import time; time.sleep(300)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"


@pytest.fixture
def programs() -> Iterator[Programs]:
    started = Programs()
    yield started
    started.stop_all()


@pytest.fixture
def start(programs: Programs, tmp_path: Path) -> Callable[[str], Program]:
    return lambda code: programs.start(
        "The thing", [sys.executable, "-c", code], os.environ, tmp_path / "logs" / "thing.log", tmp_path
    )


def read_pid(program: Program) -> int:
    deadline = time.monotonic() + 60
    while not program.log.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(program.log.read_text())


@pytest.mark.parametrize("child", [SLEEP, STUBBORN])
def test_stopping_takes_the_children_of_the_programs_along(
    programs: Programs, start: Callable[[str], Program], child: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 1.0)
    program = start(PARENT.format(child=child))
    pid = read_pid(program)
    assert is_running(pid)
    programs.stop_all()
    deadline = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)
    assert not program.is_running


def test_a_program_that_ends_while_one_waits_is_told_with_its_last_words(
    programs: Programs, start: Callable[[str], Program]
) -> None:
    program = start("print('no such module'); raise SystemExit(3)")
    with pytest.raises(DemoError) as caught:
        programs.wait_until(program, lambda: False, seconds=30)
    assert caught.value.message == "The thing exited with status 3. Its log ends with:\n    no such module"
    assert str(program.log) in caught.value.remedy


def test_a_program_that_never_answers_is_told_with_the_time(
    programs: Programs, start: Callable[[str], Program]
) -> None:
    program = start(SLEEP)
    with pytest.raises(DemoError, match="The thing did not start within 1 s"):
        programs.wait_until(program, lambda: False, seconds=1)


def test_a_program_that_is_gone_is_noticed(programs: Programs, start: Callable[[str], Program]) -> None:
    lasting, ending = start(SLEEP), start("print('bye')")
    ending.process.wait(30)
    with pytest.raises(DemoError, match="The thing exited with status 0"):
        programs.raise_if_one_exited()
    assert lasting.is_running
