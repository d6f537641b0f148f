"""The rows as a page for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from backend.export import write_json
from scripts.measuring.timing import Row, SkippedRow

Line = Row | SkippedRow

CLEANING = """
## Cleaning masks

What taking specks and pinholes out of masks does to their IoU with the truth and to the size of their RLE, and what
each kind of region keeps of a mask, is in [region_shapes.md](region_shapes.md).
"""


@dataclass(frozen=True)
class Circumstances:
    """Where and how the measuring was done."""

    command: str
    threads: int
    size: str
    clock: str = "wall"

    def describe(self) -> dict[str, Any]:
        """What a reader needs to tell whether their machine is like this one."""
        return {
            "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "command": self.command,
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "torch_threads": self.threads,
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "image": self.size,
            "clock": self.clock,
            "load_average": round(os.getloadavg()[0], 1),
        }


def write_report(lines: Sequence[Line], circumstances: Circumstances, folder: Path) -> Path:
    """Write benchmarks.md and benchmarks.json into `folder`; returns the page's path."""
    about = circumstances.describe()
    rows = [{**asdict(row), "times_faster": row.times_faster} for row in lines if isinstance(row, Row)]
    skipped = [asdict(line) for line in lines if isinstance(line, SkippedRow)]
    write_json(folder / "benchmarks.json", {"about": about, "rows": rows, "skipped": skipped})
    page = folder / "benchmarks.md"
    page.write_text(build_page(lines, about), encoding="utf-8")
    return page


def build_page(lines: Sequence[Line], about: dict[str, Any]) -> str:
    """The whole page; every figure on it was measured in one run."""
    where = about["gpu"] or f"{about['cpu']}, {about['cores']} cores"
    head = f"""# Benchmarks

Written by `{about["command"]}` (`make bench`) on {about["date"]}: {where},
{about["torch_threads"]} torch thread(s), Python {about["python"]}, torch {about["torch"]}; images of {about["image"]};
load average {about["load_average"]} at the end. The same figures for programs: [benchmarks.json](benchmarks.json).

"Here" is this backend, "the peer" what one would use otherwise, on the same weights and in the same run; the two took
turns. Times are medians (p50) in milliseconds, p95 beside them; "faster" is the peer's median over ours. Random weights
cost the same time as published ones.
"""
    if about["clock"] == "cpu":
        head += "\nMilliseconds are of CPU time, except through HTTP: the machine had other work.\n"
    if about["load_average"] > about["cores"] + 1:
        head += "\n**The machine was busy with other work: read the ratios, and distrust the milliseconds.**\n"
    head += _goals([line for line in lines if isinstance(line, Row)])
    groups = list(dict.fromkeys(line.group for line in lines))
    tables = (_table(group, [line for line in lines if line.group == group]) for group in groups)
    return head + "".join(tables) + CLEANING


def _goals(rows: Sequence[Row]) -> str:
    """What was to be reached, and what was."""
    lines = ["\n## Speed to reach\n", _line("What", "Of", "Target", "Measured", ""), "|---|---|--:|--:|---|"]
    for row in rows:
        if row.aim and row.times_faster is not None:
            target, found = f"≤ {1 / row.aim:.3g} of its time", f"{1 / row.times_faster:.3g}"
            reached = row.times_faster >= row.aim
        elif row.most_more_ms is not None and row.more_ms is not None:
            target, found = f"≤ {row.most_more_ms:g} ms more", f"{row.more_ms:+.1f} ms"
            reached = row.more_ms <= row.most_more_ms
        else:
            continue
        lines.append(_line(f"{row.group}: {row.what}", row.peer, target, found, "reached" if reached else "**missed**"))
    return "\n".join(lines) + "\n" if len(lines) > 3 else ""


def _table(group: str, rows: Sequence[Line]) -> str:
    lines = [f"\n## {group}\n", _line("What", "Here p50", "p95", "The peer", "p50", "Faster", "Remark")]
    lines.append("|---|--:|--:|---|--:|--:|---|")
    for row in rows:
        if isinstance(row, SkippedRow):
            lines.append(_line(row.what, "", "", "", "", "", f"not measured: {row.reason}"))
            continue
        faster = "" if row.times_faster is None else f"{row.times_faster:.2f}×"
        aim = f"aim ≥ {row.aim:g}×" if row.aim else ""
        remark = "; ".join(part for part in (aim, row.remark) if part)
        peer = "" if row.peer_p50_ms is None else _ms(row.peer_p50_ms)
        lines.append(_line(row.what, _ms(row.p50_ms), _ms(row.p95_ms), row.peer, peer, faster, remark))
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cpu_name() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return next(line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
