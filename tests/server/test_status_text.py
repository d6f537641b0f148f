"""Times, durations and shares on the status page."""

from __future__ import annotations

import pytest

from backend.server.status_text import (
    format_age,
    format_duration,
    format_latency,
    format_machine_time,
    format_share,
    format_time,
)

HOUR, DAY = 3600, 86_400


def test_a_time_is_shown_in_utc_and_to_the_browser_as_iso_8601() -> None:
    seconds = DAY + 3 * HOUR + 4 * 60 + 5.9
    assert format_time(seconds) == "1970-01-02 03:04:05 UTC"
    assert format_machine_time(seconds) == "1970-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (7.9, "7 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (HOUR, "1 h"),
        (HOUR + 59, "1 h"),  # no minute to show, and the seconds are too small to matter
        (2 * DAY + 4 * HOUR + 59, "2 d 4 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "just now"),
        (4.9, "just now"),
        (5, "5 s ago"),
        (119, "1 min ago"),
        (2 * HOUR, "2 h ago"),
        (9 * DAY, "9 d ago"),
    ],
)
def test_an_age_has_its_largest_unit(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.0144, "14 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (12.34, "12.3 s")]
)
def test_a_latency_is_in_milliseconds_below_a_second(seconds: float | None, text: str) -> None:
    assert format_latency(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "–"), (0, 9, "0 %"), (1, 1000, "1 %"), (2, 3, "67 %"), (999, 1000, "99 %"), (9, 9, "100 %")],
)
def test_a_share_is_0_or_100_percent_only_if_it_is_none_or_all(part: int, whole: int, text: str) -> None:
    assert format_share(part, whole) == text
