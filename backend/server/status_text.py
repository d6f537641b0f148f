"""Times, durations and shares as the status page shows them."""

from __future__ import annotations

import time

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def format_time(seconds: float) -> str:
    """Format seconds since 1970 as UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def format_machine_time(seconds: float) -> str:
    """Format seconds since 1970 for the `datetime` attribute, from which the page makes the reader's local time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def format_duration(seconds: float) -> str:
    """Format a duration in its two largest units: "2 d 4 h", "3 min 20 s", "7 s"."""
    left = max(int(seconds), 0)
    shown: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or shown:
            shown.append(f"{count} {unit}" if count else "")
        if len(shown) == 2:
            break
    return " ".join(filter(None, shown)) or "0 s"


def format_age(seconds: float) -> str:
    """Format how long ago something was, in its largest unit: "3 min ago"."""
    if seconds < 5:
        return "just now"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    return f"{int(seconds // size)} {unit} ago"


def format_latency(seconds: float | None) -> str:
    """Format a duration of a request: "14 ms", "2.3 s", "–" without one."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def format_share(part: int, whole: int) -> str:
    """Format a share as a percentage, "–" of nothing. Only all is "100 %", and only none is "0 %"."""
    if not whole:
        return "–"
    percent = round(100 * part / whole)
    return f"{percent if part in (0, whole) else min(max(percent, 1), 99)} %"
