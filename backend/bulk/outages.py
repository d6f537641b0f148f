"""Waiting for Label Studio: an outage is not a failure of a task, so a run pauses and goes on when it is over."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import TypeVar

from backend.errors import LabelStudioError, LabelStudioUnavailable

Result = TypeVar("Result")
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0
MAX_SLEEP_SECONDS = 0.05
RECENT_SECONDS = 120.0
MAX_DOUBTED_REFUSALS = 4  # shortly after an outage; a proxy may answer 404 until Label Studio is back


class Stopped(Exception):
    """The run was asked to stop while it waited for something."""


class StopFlag:
    """Flag that ends a run. It has no lock, so a signal handler may set it whatever its thread is doing."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask the run to end."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether the run shall end."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the flag is set; return whether it is set."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, MAX_SLEEP_SECONDS))
        return self._is_set


class Outages:
    """Patience of one run with one Label Studio. Thread-safe.

    Pauses double from `first_pause_seconds` to a minute, each with a jitter of half its length, so that several runs do
    not come back at the same moment.

    Args:
        probe: Raises `LabelStudioUnavailable` while Label Studio cannot answer.
        stop: Set when the run shall end; ends a pause at once.
        give_up_after_seconds: How long an outage may last.
        say: Called with a sentence when an outage begins and when it ends.
        resumes: Whether the same command, run again, goes on where this run ended; it is then told so.
    """

    def __init__(
        self,
        probe: Callable[[], object],
        stop: StopFlag,
        *,
        give_up_after_seconds: float = 1800.0,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        say: Callable[[str], object] = lambda sentence: None,
        resumes: bool = False,
    ) -> None:
        self.probe, self._stop, self._say, self._resumes = probe, stop, say, resumes
        self._give_up_after_seconds, self._first_pause_seconds = give_up_after_seconds, first_pause_seconds
        self._has_given_up = False
        self._away_at = -math.inf

    def answer_of(self, request: Callable[[], Result]) -> Result:
        """Return the answer of a request that may be repeated, however often that is necessary.

        Raises:
            LabelStudioUnavailable: The outage lasted longer than the run waits.
            LabelStudioError: Label Studio refused; shortly after an outage only if it does so repeatedly.
            Stopped: The run was asked to stop in a pause.
        """
        began, pause, refusals = time.monotonic(), self._first_pause_seconds, 0
        while True:
            try:
                answer = request()
            except LabelStudioUnavailable as error:
                self.note()
                lasted = time.monotonic() - began
                if self._has_given_up or lasted >= self._give_up_after_seconds:
                    self._has_given_up = True
                    raise self._given_up(error, lasted) from error
                if pause == self._first_pause_seconds:
                    minutes = self._give_up_after_seconds / 60
                    self._say(f"Waiting for Label Studio, at most {minutes:.3g} min. {error.message} {error.remedy}")
                left = self._give_up_after_seconds - lasted
                self.rest(min(pause * random.uniform(0.75, 1.25), max(left, 0.01)))
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
            except LabelStudioError:
                refusals += 1
                if refusals > MAX_DOUBTED_REFUSALS or not self._was_away_lately:
                    raise
                self.rest(self._first_pause_seconds * 2**refusals)
            else:
                if pause != self._first_pause_seconds:
                    self._say(f"Label Studio answers again after {time.monotonic() - began:.0f} s.")
                return answer

    def note(self) -> None:
        """Note that Label Studio is unavailable now."""
        self._away_at = time.monotonic()

    @property
    def _was_away_lately(self) -> bool:
        return time.monotonic() - self._away_at < RECENT_SECONDS

    def wait_until_over(self) -> None:
        """Return as soon as Label Studio answers. Raises as `answer_of`."""
        self.answer_of(self.probe)

    def rest(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            Stopped: The run was asked to stop.
        """
        if self._stop.wait(seconds):
            raise Stopped

    def _given_up(self, error: LabelStudioUnavailable, lasted: float) -> LabelStudioUnavailable:
        message = f"Label Studio was unavailable for {lasted:.0f} s, so the run ended. {error.message}"
        goes_on = "; it goes on where it stopped" if self._resumes else ""
        return LabelStudioUnavailable(message, remedy=f"Run the same command again when it is back{goes_on}.")
