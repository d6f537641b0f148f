"""Patience: how long somebody waits for an answer, and whether they still do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from backend.errors import ClientGone

LOOK_SECONDS = 0.5  # so often whoever waits is looked after


@dataclass(frozen=True)
class Patience:
    """Of one request; by default it has no end.

    Attributes:
        end: In monotonic seconds; None: as long as it takes.
        has_left: Whether whoever asked has gone away. It may be called often, and must not wait.
    """

    end: float | None = None
    has_left: Callable[[], bool] = bool

    @classmethod
    def of(cls, seconds: float, has_left: Callable[[], bool] = bool) -> Patience:
        """From now on so many seconds."""
        return cls(time.monotonic() + seconds, has_left)

    @property
    def remaining(self) -> float | None:
        """Seconds until the end, and 0 after it; None for no end."""
        return None if self.end is None else max(self.end - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        return self.remaining == 0

    @property
    def until_next_look(self) -> float:
        """Seconds to wait before one asks `check` and `is_over` again."""
        remaining = self.remaining
        return LOOK_SECONDS if remaining is None else min(remaining, LOOK_SECONDS)

    def check(self) -> None:
        """Raises `ClientGone` if nobody waits any more."""
        if self.has_left():
            raise ClientGone(
                "Whoever asked has closed the connection.", remedy="Nothing more is done for this request; ask again."
            )


ENDLESS = Patience()
