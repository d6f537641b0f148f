"""Benchmark this backend against the alternatives; writes docs/benchmarks.md and docs/benchmarks.json.

    python -m scripts.benchmark                     the demo SAM and a ViT-B with random weights; minutes on one core
    python -m scripts.benchmark --quick             few repeats
    python -m scripts.benchmark --only click,codec --out /tmp    some sections
    python -m scripts.benchmark --families          segmenters of several families, into docs/benchmarks_models.md
    python -m scripts.benchmark --families edgetam,vit_b

Every figure is measured together with its peer: segment_anything's SamPredictor and SamAutomaticMaskGenerator, a loop
over open_clip, label_studio_sdk's converter. The environment selects the models (see the README).
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.models.registry import SEGMENTERS
from backend.settings import Settings
from backend.values import Size
from scripts.console import positive_int, run_and_leave, run_command
from scripts.measuring.families import DEFAULT_FAMILIES
from scripts.measuring.sections import SECTIONS, Bench

FOUR_THIRDS = Size(640, 480)


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a busy machine")
    parser.add_argument("--only", type=_sections, metavar="A,B", help=f"sections, from: {', '.join(SECTIONS)}")
    parser.add_argument(
        "--families",
        type=_segmenters,
        nargs="?",
        const=list(DEFAULT_FAMILIES),
        metavar="A,B",
        help=f"instead of the sections: values of SAM_MODEL (default: {','.join(DEFAULT_FAMILIES)})",
    )
    parser.add_argument("--repeats", type=positive_int, metavar="N", help="repeats of each click (default: 40, or 10)")
    parser.add_argument(
        "--threads", type=positive_int, default=None, metavar="N", help="torch threads (default: torch's)"
    )
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="output folder (default: docs)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run the sections, write the report and print it."""
    import torch

    from scripts.measuring.place import FULL_HD, make_pictures, serve
    from scripts.measuring.report import Circumstances, write_report
    from scripts.measuring.timing import Clock

    logging.basicConfig(level=logging.WARNING)
    if arguments.families:
        return _run_families(arguments)
    Clock.chosen = arguments.clock
    repeats = arguments.repeats or (10 if arguments.quick else 40)
    _say("drawing pictures")
    pictures, small = make_pictures(9), make_pictures(9, FOUR_THIRDS, first=100)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as name,
        serve({p.uri: p.png for p in [*pictures, *small]}) as url,
    ):
        changed = {"label_studio_url": url, "redis_url": "", "torch_threads": arguments.threads or 0}
        settings = Settings.from_environment().model_copy(update=changed)
        bench, rows = Bench(settings, pictures, small, Path(name), repeats), []
        command = _command_line(arguments)
        for section in arguments.only or SECTIONS:
            rows += _run_section(
                section, bench
            )  # written after each section, so that an interrupted run leaves figures
            about = Circumstances(command, torch.get_num_threads(), str(FULL_HD), arguments.clock)
            page = write_report(rows, about, arguments.out)
    print(page.read_text(encoding="utf-8"))
    return 0


def _run_families(arguments: argparse.Namespace) -> int:
    """Measure the segmenters, write their report and print it."""
    import torch

    from scripts.measuring.families import FULL_HD, measure_families
    from scripts.measuring.families_report import write_families_report
    from scripts.measuring.report import Circumstances
    from scripts.measuring.timing import Clock

    Clock.chosen = arguments.clock
    clicks, figures = arguments.repeats or (10 if arguments.quick else 40), []
    about = Circumstances(
        _command_line(arguments), arguments.threads or torch.get_num_threads(), str(FULL_HD), arguments.clock
    )
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        for family in arguments.families:
            _say(family)
            figures += measure_families(
                [family], Path(name), encodes=max(3, clicks // 8), clicks=clicks, threads=arguments.threads or 0
            )
            page = write_families_report(figures, about, arguments.out)
    print(page.read_text(encoding="utf-8"))
    return 0


def _run_section(name: str, bench: Bench) -> list[Any]:
    _say(name)
    started = time.monotonic()
    rows = SECTIONS[name](bench)
    _say(f"{name}: {time.monotonic() - started:.0f} s")
    return rows


def _sections(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"unknown section {unknown[0]!r}; choose from {', '.join(SECTIONS)}")
    return names


def _segmenters(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in SEGMENTERS]:
        raise argparse.ArgumentTypeError(f"unknown model {unknown[0]!r}; choose from {', '.join(SEGMENTERS)}")
    return names


def _command_line(arguments: argparse.Namespace) -> str:
    """Return the command that reproduces this run, without the output folder."""
    given = [f"--{name} {value}" for name in ("threads", "repeats") if (value := getattr(arguments, name))]
    given += ["--clock cpu"] if arguments.clock == "cpu" else []
    only = [f"--{name} {','.join(value)}" for name in ("families", "only") if (value := getattr(arguments, name))]
    return " ".join(["python -m scripts.benchmark", *(["--quick"] if arguments.quick else []), *only, *given])


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
