"""Admission of predictions: the one place where a request is refused because of load."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import Overloaded

MAX_RETRY_SECONDS = 30
_WEIGHT = 0.2  # of the latest prediction in the mean duration


class Admission:
    """Limit of predictions that run or wait, with an estimate of when to try again. Thread-safe.

    Every admitted prediction holds a server thread until it is answered, so the server needs that many threads and a
    few more for everything else.

    Args:
        max_predictions: Further ones are refused.
    """

    def __init__(self, max_predictions: int) -> None:
        self.max_predictions = max_predictions
        self.in_progress = 0
        self.refused = 0
        self._mean_seconds = 1.0
        self._lock = threading.Lock()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count a prediction while it runs or waits.

        Raises:
            Overloaded: The limit is reached.
        """
        self._enter()
        started = time.monotonic()
        try:
            yield
        finally:
            self._leave(time.monotonic() - started)

    @property
    def retry_seconds(self) -> int:
        """Whole seconds after which a refused client should try again: as long as predictions have taken lately.

        They include their time in the queue, so under load this is about the time in which the queue empties.
        """
        return min(max(math.ceil(self._mean_seconds), 1), MAX_RETRY_SECONDS)

    def _enter(self) -> None:
        with self._lock:
            if self.in_progress < self.max_predictions:
                self.in_progress += 1
                return
            self.refused += 1
        raise Overloaded(
            f"{self.max_predictions} predictions are running or waiting, which is the limit.",
            remedy=f"Try again in {self.retry_seconds} s, add a replica, or raise MAX_CONCURRENT_PREDICTIONS.",
            retry_seconds=self.retry_seconds,
        )

    def _leave(self, seconds: float) -> None:
        with self._lock:
            self.in_progress -= 1
            self._mean_seconds += _WEIGHT * (seconds - self._mean_seconds)
