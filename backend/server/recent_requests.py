"""The latest predictions and errors, for the status page."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

_MAX_RECORDS = 20
_PROBES = {"health", "ready", "metrics"}  # monitoring repeats them all day


@dataclass(frozen=True)
class RequestRecord:
    """One request, or several alike in a row.

    Attributes:
        at: When it was answered, in seconds since 1970; of several, the last.
        summary: What was asked, and of a prediction what was answered.
        problem: What was wrong; "" if nothing was.
        count: How many requests in a row this stands for.
    """

    at: float
    request_id: str
    summary: str
    status: int
    seconds: float
    problem: str = ""
    count: int = 1

    def is_repeat_of(self, other: RequestRecord) -> bool:
        return (self.summary, self.status, self.problem) == (other.summary, other.status, other.problem)


class RecentRequests:
    """Bounded lists of the latest predictions and errors, newest first; safe to use from all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._predictions: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)
        self._errors: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)

    def add(self, record: RequestRecord, endpoint: str) -> None:
        """Keep a prediction, and any request with a problem unless it is a probe; repeated errors become one record."""
        with self._lock:
            if endpoint == "predict":
                self._predictions.appendleft(record)
            if record.problem and endpoint not in _PROBES:
                self._add_error(record)

    def predictions(self) -> list[RequestRecord]:
        with self._lock:
            return list(self._predictions)

    def errors(self) -> list[RequestRecord]:
        with self._lock:
            return list(self._errors)

    def _add_error(self, record: RequestRecord) -> None:
        if self._errors and record.is_repeat_of(self._errors[0]):
            record = replace(record, count=self._errors.popleft().count + 1)
        self._errors.appendleft(record)
