"""The progress of a bulk run on stderr: a live table on a terminal, a line every 10 s elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from backend.bulk import Progress, Snapshot

LINE_SECONDS = 10.0
REFRESHES_PER_SECOND = 2.0
CACHED, COMPUTED = "embeddings from the cache", "embeddings computed"
BAR_WIDTH = 60
MEBIBYTE = 1 << 20


@contextmanager
def show_progress_of(
    progress: Progress, what: str, *, stream: TextIO | None = None, seconds: float = LINE_SECONDS
) -> Iterator[None]:
    """Show the counters of a run while the context lasts.

    Args:
        what: Name of the run, such as "pre-annotating".
        stream: Where; None for stderr.
        seconds: Between two lines, where it is not a terminal.
    """
    stream = stream or sys.stderr
    with _live(progress, what, stream) if stream.isatty() else _lines(progress, what, stream, seconds):
        yield


@contextmanager
def _live(progress: Progress, what: str, stream: TextIO) -> Iterator[None]:
    """Redraw a table in place."""
    console = Console(file=stream)
    with Live(
        get_renderable=lambda: build_table(progress.snapshot(), what),
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        redirect_stdout=sys.stdout.isatty(),  # what is printed meanwhile appears above the table
    ):
        yield


@contextmanager
def _lines(progress: Progress, what: str, stream: TextIO, seconds: float) -> Iterator[None]:
    """Print a line every so many seconds, and one at the end."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            print(build_line(progress.snapshot(), what), file=stream, flush=True)

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        print(build_line(progress.snapshot(), what), file=stream, flush=True)


def build_line(now: Snapshot, what: str) -> str:
    """Return the counters in one line."""
    slowest = max(now.stages, key=lambda name: now.stages[name].busy_seconds, default="")
    parts = [f"{what}: {_count(now)}", f"{_rate(now.finished, now.seconds)}", *_facts(now)]
    if slowest and now.stages[slowest].busy_seconds:
        parts.append(f"most time in {slowest}")
    return ", ".join(parts)


def build_table(now: Snapshot, what: str) -> Group:
    """Return the counters as a table: the stages, a bar if the total is known, and a line of facts."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "done", "failed", "per second", "busy"):
        table.add_column(heading, justify="left" if heading == "stage" else "right", style="cyan", no_wrap=True)
    for name, stage in now.stages.items():
        busy = f"{100 * stage.busy_seconds / now.seconds:.0f} %" if now.seconds else ""
        failed = str(stage.failed) if stage.failed else ""
        table.add_row(name, str(stage.items), failed, _rate(stage.items, now.seconds, unit=""), busy)
    facts = ", ".join([_count(now), _rate(now.finished, now.seconds), *_facts(now)])
    bar = Table.grid()
    if now.total is not None:
        bar.add_row(ProgressBar(total=max(now.total, 1), completed=now.finished, width=BAR_WIDTH))
    return Group(Text(what, style="bold"), table, bar, Text(facts))


def _count(now: Snapshot) -> str:
    return f"{now.finished} done" if now.total is None else f"{now.finished} of {now.total}"


def _facts(now: Snapshot) -> list[str]:
    facts = []
    if now.remaining_seconds is not None:
        facts.append(f"{format_seconds(now.remaining_seconds)} left")
    facts.append(f"{now.failed} failed")
    if now.retried:
        facts.append(f"{now.retried} tried again")
    embeddings = now.noted.get(CACHED, 0) + now.noted.get(COMPUTED, 0)
    if embeddings:
        facts.append(f"{100 * now.noted.get(CACHED, 0) / embeddings:.0f} % from the cache")
    memory = measure_memory()
    return [*facts, f"{memory // MEBIBYTE} MiB"] if memory else facts


def _rate(items: int, seconds: float, unit: str = "/s") -> str:
    return f"{items / seconds:.1f}{unit}" if seconds else f"0.0{unit}"


def format_seconds(seconds: float) -> str:
    """Format a duration: "45 s", "12 min", "3 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def measure_memory() -> int:
    """Return the resident bytes of this process and its children; 0 where the system does not tell."""
    try:
        children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
        return sum(map(_resident_bytes, ["self", *children.split()]))
    except OSError:
        return 0


def _resident_bytes(process: str) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0)
