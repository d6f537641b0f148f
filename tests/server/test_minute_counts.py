"""Predictions by minute, for the chart and the rate on the status page."""

from __future__ import annotations

import pytest

from backend.server.minute_counts import MINUTES, Minute, MinuteCounts, predictions_a_minute

NOON = 43_200.0  # seconds since 1970, at the beginning of a minute


def test_predictions_are_counted_in_their_minute_and_failures_apart() -> None:
    counts = MinuteCounts()
    for seconds, has_failed in ((0, False), (59.9, True), (60, False), (61, False), (180, True)):
        counts.add(NOON + seconds, has_failed=has_failed)
    minutes = counts.last_hour(NOON + 200)
    assert minutes[-4:] == [Minute(1, 1), Minute(2, 0), Minute(0, 0), Minute(0, 1)]
    assert minutes[:-4] == [Minute()] * 56


def test_an_hour_later_nothing_is_left() -> None:
    counts = MinuteCounts()
    counts.add(NOON, has_failed=False)
    assert counts.last_hour(NOON + 59 * 60)[0] == Minute(1)
    assert counts.last_hour(NOON + 60 * 60) == [Minute()] * MINUTES


def test_many_minutes_take_bounded_memory_and_keep_the_last_sixty() -> None:
    counts = MinuteCounts()
    for minute in range(200):
        for _ in range(minute % 3):
            counts.add(NOON + 60 * minute, has_failed=False)
    expected = [Minute(minute % 3) for minute in range(140, 200)]
    assert counts.last_hour(NOON + 60 * 199) == expected
    assert len(counts._minutes) <= MINUTES


def test_a_clock_that_is_set_back_loses_no_prediction() -> None:
    counts = MinuteCounts()
    for seconds in (600, 0):
        counts.add(NOON + seconds, has_failed=False)
    assert counts.last_hour(NOON + 600)[-1] == Minute(2)


@pytest.mark.parametrize(
    ("up_seconds", "rate"),
    [
        (3600, 12 / 4.5),  # the fifth last minute began 4 minutes 30 s ago
        (120, 12 / 2),  # the process is younger than that
        (10, 12),  # of less than a minute no rate is extrapolated
    ],
)
def test_the_rate_is_that_of_the_last_five_minutes_or_since_the_start(up_seconds: float, rate: float) -> None:
    counts, now = MinuteCounts(), NOON + 30
    for _ in range(12):
        counts.add(now - 5, has_failed=False)
    assert predictions_a_minute(counts.last_hour(now), now, now - up_seconds) == pytest.approx(rate)


def test_what_is_older_than_five_minutes_is_not_in_the_rate() -> None:
    counts = MinuteCounts()
    counts.add(NOON - 241, has_failed=False)
    counts.add(NOON - 240, has_failed=False)
    assert predictions_a_minute(counts.last_hour(NOON), NOON, 0) == pytest.approx(1 / 4)
    assert predictions_a_minute(counts.last_hour(NOON + 60), NOON + 60, 0) == 0
