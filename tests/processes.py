"""Other processes of this machine, looked at through /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path


def children_of(number: int) -> list[int]:
    """The children of all threads of a process."""
    children: list[int] = []
    for path in Path(f"/proc/{number}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            children += map(int, path.read_text().split())
    return children


def is_running(number: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has reaped does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
