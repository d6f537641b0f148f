"""Benchmark this backend against the alternatives; writes docs/benchmarks.md and docs/benchmarks.json.

    python -m scripts.benchmark                     the demo SAM and a ViT-B with random weights; minutes on one core
    python -m scripts.benchmark --quick             few repeats
    python -m scripts.benchmark --only click,codec --out /tmp    some sections

Every figure is measured together with its peer: segment_anything's SamPredictor and SamAutomaticMaskGenerator, a loop
over open_clip, label_studio_sdk's converter. The environment selects the models (see the README).
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.settings import Settings
from backend.values import Prompt, Size
from scripts.console import positive_int, run_and_leave, run_command

FOUR_THIRDS = Size(640, 480)
TWELVE_MEGAPIXELS = Size(4000, 3000)
FASTER_CLICK = {"demo": 1 / 0.8, "vit_b": 1 / 0.95}


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a busy machine")
    parser.add_argument("--only", type=_sections, metavar="A,B", help=f"sections, from: {', '.join(SECTIONS)}")
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


@dataclass(frozen=True)
class Bench:
    """Inputs shared by the sections; the subject is loaded once."""

    settings: Settings
    pictures: Sequence[Any]
    small: Sequence[Any]
    folder: Path
    repeats: int

    @property
    def few(self) -> int:
        return max(3, self.repeats // 8)

    @cached_property
    def subject(self) -> Any:
        from scripts.measuring.subjects import build_subject

        return build_subject(self.settings)


def _measure_click(bench: Bench) -> list[Any]:
    from scripts.measuring import clicks, redis_tier

    subject, pictures = bench.subject, bench.pictures
    rows = clicks.measure_click(subject, pictures, repeats=bench.repeats, aim=FASTER_CLICK.get(subject.name, 1.0))
    rows.append(clicks.measure_next_click(subject, pictures[0], repeats=bench.few))
    rows.append(clicks.measure_return(subject, pictures, repeats=bench.few))
    rows.append(redis_tier.measure_redis_click(subject, pictures[0], bench.folder, repeats=bench.repeats))
    return rows + clicks.measure_payload(subject, pictures[0], repeats=bench.repeats)


def _measure_model(bench: Bench) -> list[Any]:
    from scripts.measuring import clicks

    return clicks.measure_model(bench.subject, bench.pictures[0], encodes=bench.few, repeats=bench.repeats)


def _measure_http(bench: Bench) -> list[Any]:
    from scripts.measuring import clicks, server

    (in_server, *_) = clicks.measure_click(bench.subject, bench.pictures, repeats=bench.repeats, aim=1.0)
    options = {"repeats": bench.repeats, "in_server_ms": in_server.p50_ms}
    return server.measure_http(bench.settings, bench.pictures, bench.folder, **options)


def _measure_vit_b(bench: Bench) -> list[Any]:
    """Measure a click, the return to an image and a click from Redis; encoding five images takes most of the time."""
    from scripts.measuring import clicks, redis_tier
    from scripts.measuring.subjects import build_subject, with_random_weights

    settings = with_random_weights(bench.settings, "vit_b", bench.folder)
    subject = build_subject(settings.model_copy(update={"clip_model": "none"}))
    rows = clicks.measure_click(subject, bench.pictures, repeats=bench.few, aim=FASTER_CLICK["vit_b"])
    rows.append(clicks.measure_return(subject, bench.pictures, repeats=1))
    return [*rows, redis_tier.measure_redis_click(subject, bench.pictures[0], bench.folder, repeats=bench.few)]


def _measure_codec(bench: Bench) -> list[Any]:
    from scripts.measuring import codecs, shapes

    rows, subject, picture = [], bench.subject, bench.pictures[0]
    embedding = subject.segmenter.encode(picture.scene.pixels)
    for what, masks in (
        ("1080p", _objects(subject, embedding, picture)),
        ("12 MP", _objects(subject, replace(embedding, original_size=TWELVE_MEGAPIXELS), picture)),
    ):
        rows += codecs.measure_codec(what, masks[:4], repeats=bench.few)
        rows += shapes.measure_shapes(what, masks[:4], repeats=bench.few)
    return rows


def _measure_export(bench: Bench) -> list[Any]:
    from scripts.measuring import codecs

    embedding = bench.subject.segmenter.encode(bench.pictures[0].scene.pixels)
    masks = _objects(bench.subject, embedding, bench.pictures[0])[:3]
    return codecs.measure_export(masks, bench.folder, tasks=5, repeats=bench.few)


def _measure_classes(bench: Bench) -> list[Any]:
    from scripts.measuring import bulk

    if not bench.subject.predictor.labeler.can_classify:
        return []
    return [bulk.measure_clip(bench.subject, bench.pictures[0], repeats=bench.few)]


def _measure_automatic_masks(bench: Bench) -> list[Any]:
    from scripts.measuring import automatic_masks

    rows, few = [], 3  # SamAutomaticMaskGenerator takes half a minute for an image of 1080p
    for pictures, aims in ((bench.small[:few], (6.0, 4.0)), (bench.pictures[:few], (15.0, 10.0))):
        rows += automatic_masks.measure_with_encoder(bench.subject, pictures, aims=aims)
    return [*rows, *automatic_masks.measure_random_models(bench.settings, bench.small[0], bench.folder, repeats=few)]


def _measure_preannotation(bench: Bench) -> list[Any]:
    from scripts.measuring import bulk

    if not bench.subject.predictor.labeler.can_classify:
        return []
    return [bulk.measure_preannotation(bench.subject, bench.small[: bench.few + 1])]


SECTIONS: dict[str, Callable[[Bench], list[Any]]] = {
    "click": _measure_click,
    "model": _measure_model,
    "http": _measure_http,
    "vit_b": _measure_vit_b,
    "codec": _measure_codec,
    "export": _measure_export,
    "classes": _measure_classes,
    "automatic_masks": _measure_automatic_masks,
    "preannotation": _measure_preannotation,
}


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


def _objects(subject: Any, embedding: Any, picture: Any) -> list[Any]:
    """Return SAM's masks of the picture's objects, at the embedding's original size."""
    from scripts.demo_world.scenes import click_point

    scale = embedding.original_size.width / picture.scene.size.width
    points = [click_point(scene_object.mask) for scene_object in picture.scene.objects]
    prompts = [Prompt(((x * scale, y * scale),), (1,)) for x, y in points]
    return [subject.segmenter.decode(embedding, prompt, max_masks=1)[0].mask for prompt in prompts]


def _command_line(arguments: argparse.Namespace) -> str:
    """Return the command that reproduces this run, without the output folder."""
    given = [f"--{name} {value}" for name in ("threads", "repeats") if (value := getattr(arguments, name))]
    given += ["--clock cpu"] if arguments.clock == "cpu" else []
    only = [f"--only {','.join(arguments.only)}"] if arguments.only else []
    return " ".join(["python -m scripts.benchmark", *(["--quick"] if arguments.quick else []), *only, *given])


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
