"""Deadlines of requests, and whether their client is still connected."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from backend.errors import ClientDisconnected, Overloaded

POLL_SECONDS = 0.5  # interval between checks of the client's connection


@dataclass(frozen=True)
class Deadline:
    """The deadline of one request; by default none.

    Attributes:
        at: Monotonic seconds; None for no deadline.
        has_disconnected: Whether the client has closed its connection; called often, so it must not block.
    """

    at: float | None = None
    has_disconnected: Callable[[], bool] = bool

    @classmethod
    def after(cls, seconds: float, has_disconnected: Callable[[], bool] = bool) -> Deadline:
        """A deadline `seconds` from now."""
        return cls(time.monotonic() + seconds, has_disconnected)

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, 0 after it; None for no deadline."""
        return None if self.at is None else max(self.at - time.monotonic(), 0.0)

    @property
    def has_passed(self) -> bool:
        return self.remaining == 0

    @property
    def poll_seconds(self) -> float:
        """Seconds to wait before the connection and the deadline are checked again."""
        remaining = self.remaining
        return POLL_SECONDS if remaining is None else min(remaining, POLL_SECONDS)

    def raise_if_disconnected(self) -> None:
        """Raise `ClientDisconnected` if the client closed its connection."""
        if self.has_disconnected():
            raise ClientDisconnected("The client disconnected.", remedy="Send the request again.")

    def raise_if_over(self) -> None:
        """Raise `ClientDisconnected` or, after the deadline, `Overloaded`; for long work, between its parts."""
        if self.has_passed:
            message = "The request took too long and was stopped."
            raise Overloaded(message, remedy="Try again in a moment, or ask for less at once.")
        self.raise_if_disconnected()


NO_DEADLINE = Deadline()
