"""The report on segmenters of several families: times, memory, and agreement of the logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.measuring.families import FamilyFigures
from scripts.measuring.report import Circumstances, PageFrame, table_line, write_report

NAME = "benchmarks_models"
_INTRODUCTION = """
Each model has its real size and random weights, runs in float32, on a GPU where there is one, and is measured in a
process of its own. A warm click is one on an encoded image, from the embedding to the mask at original size.
"""
_MEMORY = """
## Memory and agreement

The peak is that of loading the weights, encoding an image and decoding a click, beyond what the process has with torch
alone. Logits are compared with those of the library's float32 embedding; here they come from the float16 embedding that
is cached.

"""


def write_families_report(figures: Sequence[FamilyFigures], circumstances: Circumstances, folder: Path) -> Path:
    """Write benchmarks_models.md and benchmarks_models.json into `folder`; return the page's path."""
    rows = [row for one in figures for row in one.rows]
    names = ",".join(one.name for one in figures)
    frame = PageFrame(NAME, "Benchmarks of the models", f"make bench FAMILIES={names}", _INTRODUCTION, _memory(figures))
    more = {"models": [{key: value for key, value in asdict(one).items() if key != "rows"} for one in figures]}
    return write_report(rows, circumstances, folder, frame, more)


def _memory(figures: Sequence[FamilyFigures]) -> str:
    heads = ("Model", "Parameters", "Memory at the peak", "An image in the cache", "Largest difference of the logits")
    lines = [table_line(*heads), "|---|--:|--:|--:|--:|"]
    for one in figures:
        difference = f"{one.max_difference:.1g}, of at most {one.max_logit:.2g}"
        sizes = f"{one.parameters / 1e6:.1f} million", f"{one.peak_mb:,.0f} MB", f"{one.cache_mb:.1f} MB"
        lines.append(table_line(one.name, *sizes, difference))
    return _MEMORY + "\n".join(lines) + "\n"
