"""Alternating measurements of two implementations, so that other load on the machine affects both equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the report; times in milliseconds.

    Attributes:
        group: The table it belongs to.
        what: The measured operation.
        peer: The implementation it is compared with, or "".
        p50_ms, p95_ms: Of this backend.
        peer_p50_ms: Of the peer.
        repeats: Number of repeats of each.
        aim: Minimum speed-up over the peer, or None without a target.
        max_extra_ms: Maximum number of milliseconds more than the peer, or None without a target.
        remark: Further notes.
    """

    group: str
    what: str
    p50_ms: float
    p95_ms: float
    repeats: int
    peer: str = ""
    peer_p50_ms: float | None = None
    aim: float | None = None
    remark: str = ""
    max_extra_ms: float | None = None

    @property
    def times_faster(self) -> float | None:
        return None if self.peer_p50_ms is None else self.peer_p50_ms / self.p50_ms

    @property
    def extra_ms(self) -> float | None:
        return None if self.peer_p50_ms is None else self.p50_ms - self.peer_p50_ms


@dataclass(frozen=True)
class SkippedRow:
    """A line of the report that cannot be measured on this machine, with the reason."""

    group: str
    what: str
    reason: str


class Clock:
    """The clock of all measurements: "wall", or "cpu" for a busy machine.

    CPU time includes all threads of this process, so it is only comparable on one torch thread and without a GPU.
    """

    CLOCKS: ClassVar = {"wall": time.perf_counter, "cpu": time.process_time}
    chosen = "wall"


def time_ms(work: Work, clock: str = "") -> float:
    """Return the milliseconds of one run, by the chosen clock or the given one."""
    read = Clock.CLOCKS[clock or Clock.chosen]
    started = read()
    work()
    return float(read() - started) * 1000


def build_row(
    group: str,
    what: str,
    mine_ms: Sequence[float],
    *,
    peer: str = "",
    peer_ms: Sequence[float] = (),
    aim: float | None = None,
    remark: str = "",
    max_extra_ms: float | None = None,
) -> Row:
    """Summarize measured times."""
    peer_p50 = float(np.percentile(peer_ms, 50)) if peer_ms else None
    p50, p95 = (float(np.percentile(mine_ms, q)) for q in (50, 95))
    return Row(group, what, p50, p95, len(mine_ms), peer, peer_p50, aim, remark, max_extra_ms)


def compare(
    group: str,
    what: str,
    mine: Work,
    peer_name: str,
    peer: Work,
    *,
    repeats: int,
    aim: float | None = None,
    remark: str = "",
    turn_ms: float = 0.0,
) -> Row:
    """Run `mine` and `peer` alternately, after one untimed run of each.

    Args:
        turn_ms: Shorter work is repeated until its turn takes about this long, and its time is the mean. Otherwise a
            short run is measured with the caches and the heap as the other one left them.
    """
    turns = [(work, max(1, round(turn_ms / max(time_ms(work), 1e-3)))) for work in (mine, peer)]
    pairs = [[time_ms(partial(_repeat, work, runs)) / runs for work, runs in turns] for _ in range(repeats)]
    mine_ms, peer_ms = zip(*pairs, strict=True)
    return build_row(group, what, mine_ms, peer=peer_name, peer_ms=peer_ms, aim=aim, remark=remark)


def _repeat(work: Work, runs: int) -> None:
    for _ in range(runs):
        work()
