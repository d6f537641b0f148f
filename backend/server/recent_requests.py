"""The latest predictions and errors, for the status page."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

_MAX_RECORDS = 20
_PROBES = {"health", "ready", "metrics"}  # polled by monitoring


@dataclass(frozen=True)
class RequestRecord:
    """One request, or several equal ones in a row.

    Attributes:
        at: When it (or the last one) was completed, in seconds since 1970.
        summary: The request in words; for a prediction also its reply.
        problem: Error message; "" if there was none.
        count: Number of requests in a row.
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
    """Bounded lists of the latest predictions and errors, newest first; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._predictions: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)
        self._errors: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)

    def add(self, record: RequestRecord, endpoint: str) -> None:
        """Record a prediction, and any request with a problem unless it is a probe; merge repeated errors."""
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
