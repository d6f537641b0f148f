"""Predictions of each of the last sixty minutes, for the status page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MINUTES = 60
_RATE_MINUTES = 5


@dataclass(frozen=True)
class Minute:
    """Predictions of one minute: answered, and those with a problem."""

    answered: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.answered + self.failed


class MinuteCounts:
    """Counts of the last sixty minutes. Not thread-safe; its owner has a lock."""

    def __init__(self) -> None:
        self._minutes: deque[list[int]] = deque(maxlen=MINUTES)  # minute since 1970, answered, failed; oldest first

    def add(self, at: float, *, has_failed: bool) -> None:
        """Count a prediction that was completed at this time, in seconds since 1970."""
        minute = int(at // 60)
        if not self._minutes or self._minutes[-1][0] < minute:  # a clock that was set back adds to the last minute
            self._minutes.append([minute, 0, 0])
        self._minutes[-1][2 if has_failed else 1] += 1

    def last_hour(self, now: float) -> list[Minute]:
        """Return sixty minutes, oldest first; the last one is the minute of `now`, which has not ended."""
        counts = {minute: Minute(answered, failed) for minute, answered, failed in self._minutes}
        last = int(now // 60)
        return [counts.get(minute, Minute()) for minute in range(last - MINUTES + 1, last + 1)]


def predictions_a_minute(minutes: list[Minute], now: float, started_at: float) -> float:
    """Return the mean rate since the beginning of the fifth last minute, or since the start if that was later.

    Args:
        minutes: Of `MinuteCounts.last_hour(now)`.
        now, started_at: Seconds since 1970.
    """
    begin = max((now // 60 - _RATE_MINUTES + 1) * 60, started_at)
    return sum(minute.total for minute in minutes[-_RATE_MINUTES:]) / max((now - begin) / 60, 1.0)
