"""Measure the memory of an export of many regions, from a generated export file and from a generated tasks API.

    python -m scripts.measuring.export_memory                       100,000 regions; the file has 1.7 GB
    python -m scripts.measuring.export_memory --regions 20000 --source api

Each export runs in a process of its own; what it had in memory before its first task is subtracted from its peak. Exit
status 1 if it grew by more than 300 MB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.console import positive_int
from scripts.measuring.generated_project import REGIONS_PER_TASK, GeneratedProject

MAX_GROWTH_MB = 300
SOURCES = ("file", "api")


@dataclass(frozen=True)
class Growth:
    """What an export took: megabytes (10^6 bytes) before its first task and at its peak, seconds, and its regions."""

    before_mb: float
    peak_mb: float
    seconds: float
    regions: int
    source_mb: float

    @property
    def grown_mb(self) -> float:
        return self.peak_mb - self.before_mb


def measure_growth(source: str, regions: int, folder: Path) -> Growth:
    """Export generated tasks from "file" or "api" in a new process.

    Args:
        regions: A multiple of `REGIONS_PER_TASK`.
    """
    project = GeneratedProject(regions // REGIONS_PER_TASK)
    task_bytes = len(project.text(project.tasks))
    if source == "file":
        path = folder / "tasks.json"
        project.write(path)
        return _run(str(path), folder, task_bytes * project.tasks)
    with project.serve() as url:
        return _run(url, folder, task_bytes * project.tasks)


def _run(address: str, folder: Path, source_bytes: int) -> Growth:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        before, peak, seconds, regions = pool.apply(_export, (address, folder))
    return Growth(before, peak, seconds, regions, source_bytes / 1e6)


def _export(address: str, folder: Path) -> tuple[float, float, float, int]:
    from backend.bulk import AnnotationReader, ReadCounts, read_images, read_task_file
    from backend.label_studio.api import AnnotatedTasks, LabelStudioClient
    from scripts.measuring.exporting import CONFIG, no_size, write_coco

    counts, before, started = ReadCounts(), _read_peak_mb(), time.monotonic()
    if address.startswith("http://"):
        tasks = AnnotatedTasks(LabelStudioClient(address, "token")).iterate(1)
    else:
        tasks = read_task_file(Path(address))
    regions = write_coco(read_images(tasks, AnnotationReader(CONFIG, no_size), counts), folder / "coco")
    if counts.failures:
        raise AssertionError(counts.failures[:3])
    return before, _read_peak_mb(), time.monotonic() - started, regions


def _read_peak_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.export_memory", description=__doc__)
    parser.add_argument("--regions", type=positive_int, default=100_000, metavar="N", help="default: 100000")
    parser.add_argument("--source", choices=SOURCES, action="append", help="default: both")
    arguments = parser.parse_args(argv)
    worst = 0.0
    for source in arguments.source or SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            growth = measure_growth(source, arguments.regions, Path(folder))
        worst = max(worst, growth.grown_mb)
        print(
            f"{source}: {growth.regions:,} regions, {growth.source_mb:,.0f} MB of JSON in {growth.seconds:.0f} s; "
            f"{growth.before_mb:.0f} MB before the first task, at most {growth.grown_mb:.0f} MB more",
            flush=True,
        )
    return 1 if worst > MAX_GROWTH_MB else 0


if __name__ == "__main__":
    sys.exit(main())
