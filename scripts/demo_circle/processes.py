"""The demo's child processes: each in its own process group with a log file, all stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import BackendError, shorten

STOP_SECONDS = 8.0
POLL_SECONDS = 0.1
TAIL_LINES = 15
MAX_LINE_CHARACTERS = 1000  # of a message; Label Studio answers with documents


class DemoError(BackendError):
    """The demo could not start, or one of its programs exited; the message may end with lines of a log."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.message = "\n".join(shorten(line, MAX_LINE_CHARACTERS) for line in message.split("\n"))


@dataclass(frozen=True)
class Program:
    """A started program: display name, process, log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def tail(self) -> str:
        """Return the last lines of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Programs:
    """Set of started programs; stops all of them and their descendants, newest first."""

    def __init__(self) -> None:
        self._programs: list[Program] = []

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path) -> Program:
        """Start `argv` in its own process group, so that Ctrl-C reaches only the demo, which then stops it."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as sink:
            process = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program = Program(name, process, log)
        self._programs.append(program)
        return program

    def wait_until(self, program: Program, is_up: Callable[[], bool], seconds: float) -> None:
        """Wait until `program` is up.

        Raises:
            DemoError: It exited, or was not up in time; with the last lines of its log.
        """
        deadline = time.monotonic() + seconds
        while not is_up():
            if not program.is_running:
                raise self._exited(program)
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{program.name} did not start within {seconds:.0f} s. Its log ends with:\n{program.tail()}",
                    remedy=f"See {program.log}; on a slow machine start the demo again.",
                )
            time.sleep(POLL_SECONDS)

    def stop(self, program: Program) -> None:
        """Kill a program and its descendants."""
        self._programs.remove(program)
        _signal_group(program.process.pid, signal.SIGKILL)
        program.process.wait()

    def raise_if_one_exited(self) -> None:
        """Raise DemoError for the first program that has exited."""
        for program in self._programs:
            if not program.is_running:
                raise self._exited(program)

    @staticmethod
    def _exited(program: Program) -> DemoError:
        return DemoError(
            f"{program.name} exited with status {program.process.returncode}. Its log ends with:\n{program.tail()}",
            remedy=f"Fix the error in {program.log} and start the demo again.",
        )

    def stop_all(self) -> None:
        """Send SIGTERM to every group, newest first, and SIGKILL after `STOP_SECONDS`. Cannot be interrupted."""
        with _ignoring_interrupts():
            self._stop_all()

    def _stop_all(self) -> None:
        programs, self._programs = self._programs[::-1], []
        for program in programs:
            _signal_group(program.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for program in programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.process.wait(max(0.0, deadline - time.monotonic()))
        for program in programs:  # including grandchildren that outlived their parent
            _signal_group(program.process.pid, signal.SIGKILL)
            program.process.wait()


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignore interrupts: a second Ctrl-C must not leave programs running. (Only the main thread may set handlers.)"""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers} if is_main else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
