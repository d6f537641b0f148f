"""Errors of worker processes."""

from __future__ import annotations

from backend.errors import BackendError


class WorkerDied(BackendError):
    """Worker process that died while it had the item."""


class WorkersUnusable(BackendError):
    """Worker processes that cannot start, so that no item can be worked on."""


def describe_exit(status: int | None) -> str:
    """Describe how a process ended."""
    if status is None:
        return "status unknown"
    return f"signal {-status}" if status < 0 else f"exit status {status}"
