"""The seam between the pool that hands out items and how a worker lives: as a spawned process or an actor of Ray."""

from __future__ import annotations

from typing import Any, Protocol

from backend.bulk.worker_main import Numbered


class WorkerLink(Protocol):
    """One worker, from its start to its death, and the way to it. Several threads may send; one receives."""

    def send(self, numbered: Numbered) -> None:
        """Send an item.

        Raises:
            OSError: The worker has died, which `receive` notices too.
            Exception: The item cannot be pickled.
        """
        ...

    def receive(self) -> Any:
        """Wait for the worker's next message: first `Started`, then a `Done` for each item.

        Raises:
            EOFError: The worker has died.
            Exception: The message cannot be read.
        """
        ...

    def kill(self) -> None:
        """Kill the worker, whether or not it still lives; `receive` raises."""
        ...

    def bury(self) -> str:
        """Kill the worker, free what it had, and describe how it ended, e.g. "signal 9"."""
        ...


class WorkerHost(Protocol):
    """What starts workers, each in one of a fixed number of places."""

    @property
    def noun(self) -> str:
        """What one of its workers is called in messages."""
        ...

    @property
    def advice(self) -> str:
        """What to look at when its workers die again and again."""
        ...

    @property
    def places(self) -> int:
        """Number of workers."""
        ...

    def open(self) -> None:
        """Get ready to start workers; raises a BackendError if that is not possible."""
        ...

    def start(self, place: int) -> WorkerLink:
        """Start the worker of a place, from 0; raises whatever makes that impossible."""
        ...

    def close(self) -> None:
        """Free what `open` took, after all workers were buried. It can be opened again."""
        ...
