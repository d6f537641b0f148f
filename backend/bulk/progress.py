"""Counters of a run: items, failures and seconds per stage. Nothing here prints."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StageCount:
    """What a stage has done so far.

    Attributes:
        items: That it has let through.
        failed: That failed in it.
        busy_seconds: Of all its threads together.
    """

    items: int = 0
    failed: int = 0
    busy_seconds: float = 0.0

    def __sub__(self, earlier: StageCount) -> StageCount:
        return StageCount(
            self.items - earlier.items, self.failed - earlier.failed, self.busy_seconds - earlier.busy_seconds
        )


@dataclass(frozen=True)
class Snapshot:
    """The counters of a run at one moment.

    Attributes:
        seconds: Since the run began.
        total: Number of items if it is known.
        taken: Items that were pulled from the input.
        finished: Items with a result or an error.
        failed: Items with an error.
        retried: Items with an error that come again; they count neither as finished nor as failed.
        stages: By name, in the order of the stages.
        noted: What the stages counted themselves, such as cache hits.
    """

    seconds: float = 0.0
    total: int | None = None
    taken: int = 0
    finished: int = 0
    failed: int = 0
    retried: int = 0
    stages: Mapping[str, StageCount] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        return self.taken - self.finished

    @property
    def remaining_seconds(self) -> float | None:
        """Estimate from the mean rate so far; None without a total or before the first result."""
        if self.total is None or not self.finished:
            return None
        return max(self.total - self.finished, 0) * self.seconds / self.finished


class Progress:
    """Thread-safe counters of one run.

    Args:
        stage_names: The stages in their order, so that a display shows one that has not begun.
        total: Number of items if it is known.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        stage_names: Sequence[str] = (),
        *,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock, self._clock, self._started = threading.Lock(), clock, clock()
        self._stages = {name: StageCount() for name in stage_names}
        self._noted: Counter[str] = Counter()
        self._total, self._taken, self._finished, self._failed, self._retried = total, 0, 0, 0, 0

    def expect(self, total: int) -> None:
        """Set the number of items, once it is known."""
        with self._lock:
            self._total = total

    def take(self) -> None:
        """Count an item that was pulled from the input."""
        with self._lock:
            self._taken += 1

    def pass_stage(self, name: str, *, items: int = 1, failed: int = 0, seconds: float = 0.0) -> None:
        """Count what a stage has done: `items` let through, `failed` failed, in `seconds` of one thread."""
        with self._lock:
            count = self._stages.get(name, StageCount())
            self._stages[name] = StageCount(count.items + items, count.failed + failed, count.busy_seconds + seconds)

    def finish(self, *, failed: bool = False) -> None:
        """Count an item with a result or an error."""
        with self._lock:
            self._finished += 1
            self._failed += failed

    def retry(self) -> None:
        """Count an item that has failed as one that comes again."""
        with self._lock:
            self._taken, self._finished, self._failed = self._taken - 1, self._finished - 1, self._failed - 1
            self._retried += 1

    def note(self, name: str, count: int = 1) -> None:
        """Count something that a stage has seen, such as a cache hit."""
        with self._lock:
            self._noted[name] += count

    def snapshot(self) -> Snapshot:
        """Return the counters as they are now."""
        with self._lock:
            return Snapshot(
                seconds=self._clock() - self._started,
                total=self._total,
                taken=self._taken,
                finished=self._finished,
                failed=self._failed,
                retried=self._retried,
                stages=dict(self._stages),
                noted=dict(self._noted),
            )
