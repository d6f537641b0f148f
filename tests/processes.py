"""Other processes of this machine, looked at through /proc."""

from __future__ import annotations

from pathlib import Path


def is_running(number: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has reaped does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
