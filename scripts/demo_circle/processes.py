"""Programs that belong to the demo: each in a process group of its own, with a log, stopped together."""

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

from backend.errors import BackendError

STOP_SECONDS = 8.0
POLL_SECONDS = 0.1
TAIL_LINES = 15


class DemoError(BackendError):
    """The demo could not be brought up, or one of its programs ended."""


@dataclass(frozen=True)
class Program:
    """One running program: its name for people, its process, where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def tail(self) -> str:
        """The last lines that it wrote."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Programs:
    """Starts programs and stops all of them, newest first, with everything they started themselves."""

    def __init__(self) -> None:
        self._programs: list[Program] = []

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path) -> Program:
        """Start `argv` in its own process group; Ctrl-C in the terminal reaches the demo only, which then stops it."""
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
        """Wait for `program` to answer.

        Raises:
            DemoError: It ended, or did not answer in time; with the last lines of its log.
        """
        deadline = time.monotonic() + seconds
        while not is_up():
            if not program.is_running:
                raise self._ended(program)
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{program.name} did not answer within {seconds:.0f} s. Its log ends with:\n{program.tail()}",
                    remedy=f"Read {program.log}; on a slow machine start the demo again.",
                )
            time.sleep(POLL_SECONDS)

    def raise_if_one_ended(self) -> None:
        """Raises DemoError naming the first program that is gone."""
        for program in self._programs:
            if not program.is_running:
                raise self._ended(program)

    @staticmethod
    def _ended(program: Program) -> DemoError:
        return DemoError(
            f"{program.name} ended with status {program.process.returncode}. Its log ends with:\n{program.tail()}",
            remedy=f"Mend what the log says ({program.log}) and start the demo again.",
        )

    def stop_all(self) -> None:
        """Ask every group to end, newest first; kill what still runs after `STOP_SECONDS`. Cannot be interrupted."""
        with _deaf_to_interrupts():
            self._stop_all()

    def _stop_all(self) -> None:
        programs, self._programs = self._programs[::-1], []
        for program in programs:
            _signal_group(program.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for program in programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.process.wait(max(0.0, deadline - time.monotonic()))
        for program in programs:  # also grandchildren that outlived their parent
            _signal_group(program.process.pid, signal.SIGKILL)
            program.process.wait()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A second, impatient Ctrl-C must not leave programs behind. (Only the main thread may change signal handlers.)"""
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
