"""Check the server in this container, and stop it once it no longer answers.

    python -m scripts.healthcheck --url http://127.0.0.1:9090/health --pid-file /tmp/gunicorn.pid

Docker only marks a container as unhealthy. This command ends the server, so that the container ends and its restart
policy starts it again: SIGTERM with the third failure in a row, SIGKILL with the next one. Exit status: 0 or 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

PID_FILE = Path("/tmp/gunicorn.pid")
MAX_FAILURES = 3  # in a row, before the server is stopped


def is_healthy(url: str, timeout_seconds: float) -> bool:
    """Whether the server answers with status 200 in time. It does while the models load."""
    try:
        with urlopen(url, timeout=timeout_seconds) as response:
            return response.status == 200
    except (OSError, HTTPException) as error:  # refused, timed out, another status, or not HTTP
        print(f"{url}: {error}", file=sys.stderr)
        return False


def count_failure(counter: Path) -> int:
    """Add one to the number of failures in a row, and return it."""
    failures = 1
    with suppress(OSError, ValueError):  # the first failure, or a file that was cut off
        failures += int(counter.read_text())
    counter.write_text(str(failures))
    return failures


def stop(pid_file: Path, failures: int) -> None:
    """Send SIGTERM to gunicorn's master, or SIGKILL if it has already ignored that."""
    kill = signal.SIGTERM if failures == MAX_FAILURES else signal.SIGKILL
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, kill)
    except (OSError, ValueError) as error:
        print(f"The server could not be stopped: {error}", file=sys.stderr)
        return
    print(f"{failures} failures in a row: sent {kill.name} to process {pid}.", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:9090/health")
    parser.add_argument("--pid-file", type=Path, default=PID_FILE, help="of gunicorn's master")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds")
    chosen = parser.parse_args(arguments)
    counter = chosen.pid_file.with_suffix(".failures")
    if is_healthy(chosen.url, chosen.timeout):
        counter.unlink(missing_ok=True)
        return 0
    failures = count_failure(counter)
    if failures >= MAX_FAILURES:
        stop(chosen.pid_file, failures)
    return 1


if __name__ == "__main__":
    sys.exit(main())
