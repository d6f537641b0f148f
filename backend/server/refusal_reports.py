"""Reports of refused callers, few enough that an attacker cannot fill the log with them."""

from __future__ import annotations

import threading

from flask import request

from backend.runtime import TokenBucket
from backend.server.request_log import report_problem

_PER_SECOND, _BURST = 0.2, 10


class RefusalReports:
    """Reports of refused callers to the log and the status page, at a limited rate; thread-safe.

    The metrics count all of them. What a caller sent as credentials is not reported.
    """

    def __init__(self) -> None:
        self._bucket, self._lock = TokenBucket(_PER_SECOND, _BURST), threading.Lock()
        self._unreported = 0

    def add(self, message: str) -> None:
        """Report the current request's refusal, or only count it if there have been many."""
        with self._lock:
            is_reported = self._bucket.take()
            earlier, self._unreported = self._unreported, 0 if is_reported else self._unreported + 1
        if is_reported:
            others = f" {earlier} more were refused and not logged." if earlier else ""
            report_problem(f"{message} Client: {request.remote_addr}.{others}")
