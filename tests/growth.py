"""Measurement of how the time of a call grows with its input."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

MAX_RATIO = 2.5  # of the times for twice the input and for the input; 2 for linear work, 4 for quadratic work
MIN_SECONDS = 0.01  # below it the ratio of two times is noise
ENOUGH_SECONDS = 0.1  # a call this long needs no larger input
REPEATS = 3
ATTEMPTS = 4

Call = Callable[[], object]


def find_growth(build: Callable[[int], Call], start: int, stop: int) -> tuple[int, float]:
    """Double the input from `start` to `stop` and return the size at which the time grew most, with the ratio.

    Args:
        build: Makes a call on an input of that size; only the call is timed.
    """
    worst = (start, 0.0)
    size, seconds = start, fastest(build(start))
    while size < stop:
        doubled = fastest(build(2 * size))
        if seconds >= MIN_SECONDS:
            ratio = doubled / seconds
            for _ in range(ATTEMPTS):
                if ratio <= MAX_RATIO:
                    break
                again = fastest(build(size))  # both anew: a processor is at times faster than a moment before
                ratio = min(ratio, fastest(build(2 * size)) / again)
            worst = max(worst, (size, ratio), key=lambda pair: pair[1])
            if ratio > MAX_RATIO or doubled > ENOUGH_SECONDS:
                break
        size, seconds = 2 * size, doubled
    return worst


def fastest(call: Call) -> float:
    """Return the CPU seconds of this thread for the fastest of a few calls."""
    times = []
    for _ in range(REPEATS):
        gc.disable()
        try:
            started = time.thread_time()
            call()
            times.append(time.thread_time() - started)
        finally:
            gc.enable()
        if times[-1] > 4 * ENOUGH_SECONDS:
            break
    return min(times)
