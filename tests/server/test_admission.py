"""The limit of predictions that run or wait."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from backend.errors import Overloaded
from backend.server.admission import Admission


def test_the_limit_counts_what_is_inside_and_errors_leave_too() -> None:
    admission = Admission(2)
    with ExitStack() as inside:
        inside.enter_context(admission.admit())
        with pytest.raises(ZeroDivisionError), admission.admit():
            _ = 1 // 0
        inside.enter_context(admission.admit())
        with (
            pytest.raises(Overloaded, match=r"2 predictions are running or waiting.*Try again in 1 s"),
            admission.admit(),
        ):
            raise AssertionError("admitted over the limit")
    assert (admission.in_progress, admission.refused) == (0, 1)


def test_the_time_to_try_again_follows_how_long_predictions_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("backend.server.admission.time.monotonic", lambda: now[0])
    admission = Admission(1)
    assert admission.retry_seconds == 1
    for _ in range(30):
        with admission.admit():
            now[0] += 8.0
    assert admission.retry_seconds == 8
    for _ in range(30):
        with admission.admit():
            now[0] += 500.0
    assert admission.retry_seconds == 30
    for _ in range(60):
        with admission.admit():
            now[0] += 0.01
    assert admission.retry_seconds == 1
