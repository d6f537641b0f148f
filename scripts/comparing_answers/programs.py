"""Programs of a checkout: started in its folder, with an environment that nothing of the caller's shell gets into."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from scripts.comparing_answers.exchanges import CouldNotRun
from scripts.comparing_answers.picture_server import LOOPBACK

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
STOP_SECONDS = 20.0
TAIL_CHARACTERS = 5000


def clean_environment(**variables: str) -> dict[str, str]:
    """The little of the caller's environment that every program needs, one thread, no proxy, and `variables`."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "TORCH_THREADS": "1", "DEVICE": "cpu"}
    return kept | threads | {"NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"} | variables


class Program:
    """A context: within, the program runs; on leaving, it and what it started are asked to end, then made to.

    Args:
        name: For messages.
        argv: What is run.
        folder: Where it runs.
        log: What it says goes there.
    """

    def __init__(self, name: str, argv: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self._argv, self._folder, self._environment = list(argv), folder, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Program:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as sink:
            try:
                self._process = subprocess.Popen(
                    self._argv,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise CouldNotRun(f"{self.name} cannot be started: {error}") from error
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # what it started and left behind
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_until(self, is_up: Callable[[], bool], seconds: float) -> None:
        """Raises `CouldNotRun` with the end of the log if the program ends, or is not up in time."""
        end = time.monotonic() + seconds
        while not is_up():
            if self._process is None or self._process.poll() is not None:
                raise CouldNotRun(f"{self.name} exited during startup. Its log ends with:\n{self.tail()}")
            if time.monotonic() > end:
                raise CouldNotRun(
                    f"{self.name} did not start within {seconds:.0f} s. Its log ends with:\n{self.tail()}"
                )
            time.sleep(0.1)

    def tail(self) -> str:
        """The end of what it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARACTERS:]


def run_module(
    python: str, module: str, options: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run `python -m MODULE` in a checkout; its exit status and what it printed, errors first."""
    argv = [python, "-m", module, *options]
    try:
        done = subprocess.run(
            argv, cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=600, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CouldNotRun(f"python -m {module} in {folder}: {error}") from error
    return done.returncode, done.stderr + done.stdout


def free_port() -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
