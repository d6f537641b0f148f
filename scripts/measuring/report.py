"""The benchmark report, as Markdown and as JSON."""

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

[region_shapes.md](region_shapes.md) has the effect of removing specks and pinholes on IoU and RLE size, and what each
shape preserves of a mask.
"""


@dataclass(frozen=True)
class PageFrame:
    """What a page of benchmarks has besides its figures.

    Attributes:
        name: File name without the suffix.
        title: Heading.
        make: The make command that writes it.
        introduction: After the explanation of the columns.
        ending: After the tables.
    """

    name: str = "benchmarks"
    title: str = "Benchmarks"
    make: str = "make bench"
    introduction: str = ""
    ending: str = CLEANING


BENCHMARKS = PageFrame()


@dataclass(frozen=True)
class Circumstances:
    """Command, threads, image size and clock of a run."""

    command: str
    threads: int
    size: str
    clock: str = "wall"

    def describe(self) -> dict[str, Any]:
        """Return the facts needed to compare this machine with another."""
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


def write_report(
    lines: Sequence[Line],
    circumstances: Circumstances,
    folder: Path,
    frame: PageFrame = BENCHMARKS,
    more: dict[str, Any] | None = None,
) -> Path:
    """Write the page (NAME.md) and its figures (NAME.json) into `folder`; return the page's path.

    Args:
        more: Further members of the JSON document.
    """
    about = circumstances.describe()
    rows = [{**asdict(row), "times_faster": row.times_faster} for row in lines if isinstance(row, Row)]
    skipped = [asdict(line) for line in lines if isinstance(line, SkippedRow)]
    write_json(folder / f"{frame.name}.json", {"about": about, "rows": rows, "skipped": skipped, **(more or {})})
    page = folder / f"{frame.name}.md"
    page.write_text(build_page(lines, about, frame), encoding="utf-8")
    return page


def build_page(lines: Sequence[Line], about: dict[str, Any], frame: PageFrame = BENCHMARKS) -> str:
    """Build the page; all its figures are from one run."""
    where = about["gpu"] or f"{about['cpu']}, {about['cores']} cores"
    head = f"""# {frame.title}

Written by `{about["command"]}` (`{frame.make}`) on {about["date"]}: {where},
{about["torch_threads"]} torch thread(s), Python {about["python"]}, torch {about["torch"]}; images of {about["image"]};
load average {about["load_average"]} at the end. The same figures as JSON: [{frame.name}.json]({frame.name}.json).

"Here" is this backend, "the peer" the alternative, with the same weights and in the same run, alternating. Times are
medians (p50) and p95 in milliseconds; "faster" is the peer's median divided by ours. Random weights are as fast as
published ones.
{frame.introduction}"""
    if about["clock"] == "cpu":
        head += "\nMilliseconds are CPU time, except through HTTP, because the machine was busy.\n"
    if about["load_average"] > about["cores"] + 1:
        head += "\n**The machine was busy: the ratios are more reliable than the milliseconds.**\n"
    head += _goals([line for line in lines if isinstance(line, Row)])
    groups = list(dict.fromkeys(line.group for line in lines))
    tables = (_table(group, [line for line in lines if line.group == group]) for group in groups)
    return head + "".join(tables) + frame.ending


def _goals(rows: Sequence[Row]) -> str:
    """Build the table of targets and results."""
    lines = [
        "\n## Speed targets\n",
        table_line("What", "Compared with", "Target", "Measured", ""),
        "|---|---|--:|--:|---|",
    ]
    for row in rows:
        if row.aim and row.times_faster is not None:
            target, measured = f"≤ {1 / row.aim:.3g} of its time", f"{1 / row.times_faster:.3g}"
            is_met = row.times_faster >= row.aim
        elif row.max_extra_ms is not None and row.extra_ms is not None:
            target, measured = f"≤ {row.max_extra_ms:g} ms more", f"{row.extra_ms:+.1f} ms"
            is_met = row.extra_ms <= row.max_extra_ms
        else:
            continue
        lines.append(
            table_line(f"{row.group}: {row.what}", row.peer, target, measured, "met" if is_met else "**missed**")
        )
    return "\n".join(lines) + "\n" if len(lines) > 3 else ""


def _table(group: str, rows: Sequence[Line]) -> str:
    lines = [f"\n## {group}\n", table_line("What", "Here p50", "p95", "The peer", "p50", "Faster", "Remark")]
    lines.append("|---|--:|--:|---|--:|--:|---|")
    for row in rows:
        if isinstance(row, SkippedRow):
            lines.append(table_line(row.what, "", "", "", "", "", f"not measured: {row.reason}"))
            continue
        faster = "" if row.times_faster is None else f"{row.times_faster:.2f}×"
        target = f"target ≥ {row.aim:g}×" if row.aim else ""
        remark = "; ".join(part for part in (target, row.remark) if part)
        peer = "" if row.peer_p50_ms is None else _ms(row.peer_p50_ms)
        lines.append(table_line(row.what, _ms(row.p50_ms), _ms(row.p95_ms), row.peer, peer, faster, remark))
    return "\n".join(lines) + "\n"


def table_line(*cells: str) -> str:
    """Build a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cpu_name() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return next(line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
