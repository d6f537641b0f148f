"""The latest predictions and errors, for the status page."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

from backend.server.minute_counts import Minute, MinuteCounts

_MAX_RECORDS = 20
_UNRECORDED = {"health", "ready", "metrics", "favicon"}  # polled by monitoring, or asked for by browsers on their own


@dataclass(frozen=True)
class RequestRecord:
    """One request, or several equal ones in a row.

    Attributes:
        at: When it (or the last one) was completed, in seconds since 1970.
        summary: The request in words; for a prediction also its reply.
        problem: Error message; "" if there was none.
        count: Number of requests in a row.
        project, task: Label Studio's ids; "" and None where the request names none or could not be parsed.
        prompt: Kind of the prompt: "click" for points and boxes, else as `log_text.PROMPT_KINDS`; "" as above.
        later_successes: Of an error: how many requests of its kind have succeeded since.
    """

    at: float
    request_id: str
    summary: str
    status: int
    seconds: float
    problem: str = ""
    count: int = 1
    project: str = ""
    task: int | None = None
    prompt: str = ""
    later_successes: int = 0

    @property
    def has_succeeded(self) -> bool:
        return self.status < 400 and not self.problem

    def is_repeat_of(self, other: RequestRecord) -> bool:
        return (self.summary, self.status, self.problem) == (other.summary, other.status, other.problem)


class RecentRequests:
    """Bounded lists of the latest predictions and errors, newest first, and counts by minute; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._predictions: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)
        self._errors: deque[_RecordedError] = deque(maxlen=_MAX_RECORDS)
        self._minutes = MinuteCounts()

    def add(self, record: RequestRecord, endpoint: str) -> None:
        """Record a prediction, and any request with a problem unless it is a probe; merge repeated errors."""
        if endpoint in _UNRECORDED:
            return
        with self._lock:
            if endpoint == "predict":
                self._predictions.appendleft(record)
                self._minutes.add(record.at, has_failed=not record.has_succeeded)
            if record.problem:
                self._add_error(record, endpoint)
            elif self._errors and record.has_succeeded:
                self._add_success(record, endpoint)

    def predictions(self) -> list[RequestRecord]:
        with self._lock:
            return list(self._predictions)

    def errors(self) -> list[RequestRecord]:
        with self._lock:
            return [replace(error.record, later_successes=error.later_successes) for error in self._errors]

    def last_hour(self, now: float) -> list[Minute]:
        """Return the predictions of each of the last sixty minutes, as `MinuteCounts.last_hour`."""
        with self._lock:
            return self._minutes.last_hour(now)

    def _add_error(self, record: RequestRecord, endpoint: str) -> None:
        if self._errors and record.is_repeat_of(self._errors[0].record):
            record = replace(record, count=self._errors.popleft().record.count + 1)
        self._errors.appendleft(_RecordedError(record, (endpoint, record.project, record.prompt)))

    def _add_success(self, record: RequestRecord, endpoint: str) -> None:
        """Count the request for the errors of its kind, and for those of which less is known."""
        kinds = {(endpoint, project, prompt) for project in ("", record.project) for prompt in ("", record.prompt)}
        for error in self._errors:
            if error.kind in kinds:
                error.later_successes += 1


@dataclass
class _RecordedError:
    record: RequestRecord
    kind: tuple[str, str, str]  # endpoint, project, prompt
    later_successes: int = 0
