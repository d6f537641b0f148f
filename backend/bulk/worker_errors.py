"""Errors of workers."""

from __future__ import annotations

from backend.errors import BackendError


class WorkerDied(BackendError):
    """Worker that died while it had the item."""


class WorkersUnusable(BackendError):
    """Workers that cannot start, so that no item can be worked on."""


class RayUnavailable(BackendError):
    """Ray that is not installed, cannot be reached, or has too little for a run."""


def describe_exit(status: int | None) -> str:
    """Describe how a process ended."""
    if status is None:
        return "status unknown"
    return f"signal {-status}" if status < 0 else f"exit status {status}"
