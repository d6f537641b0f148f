"""Measure this backend beside what one would use otherwise, and write docs/benchmarks.md and docs/benchmarks.json.

    python -m scripts.benchmark            the demo SAM and a ViT-B with random weights; about ten minutes on two cores
    python -m scripts.benchmark --quick    the demo SAM only, few repeats; about a minute

Every figure has its peer in the same run: segment_anything's SamPredictor and SamAutomaticMaskGenerator, a loop over
open_clip, label_studio_sdk's converter. The models are those that the environment names (see the README).
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.settings import Settings
from backend.values import Prompt, Size
from scripts.console import positive_int, run_command

FOUR_THIRDS = Size(640, 480)
TWELVE_MEGAPIXELS = Size(4000, 3000)
FASTER_CLICK = {"demo": 1 / 0.8, "vit_b": 1 / 0.95}


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="the demo SAM only, few repeats")
    parser.add_argument("--repeats", type=positive_int, metavar="N", help="of each click (default: 40, or 10)")
    parser.add_argument("--threads", type=positive_int, default=None, metavar="N", help="for torch (default: its own)")
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="where to write (default: docs)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Measure everything, write the report, print it."""
    import torch

    from scripts.measuring.place import FULL_HD, make_pictures, serve
    from scripts.measuring.report import Circumstances, write_report

    logging.basicConfig(level=logging.WARNING)
    repeats = arguments.repeats or (10 if arguments.quick else 40)
    _say("drawing pictures")
    pictures, small = make_pictures(9), make_pictures(9, FOUR_THIRDS, first=100)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as name,
        serve({p.uri: p.png for p in [*pictures, *small]}) as url,
    ):
        settings = replace(
            Settings.from_environment(), label_studio_url=url, redis_url="", torch_threads=arguments.threads or 0
        )
        rows = _measure(settings, pictures, small, Path(name), repeats, quick=arguments.quick)
    command = _command_line(arguments)
    page = write_report(rows, Circumstances(command, torch.get_num_threads(), str(FULL_HD)), arguments.out)
    print(page.read_text(encoding="utf-8"))
    return 0


def _measure(
    settings: Settings, pictures: Sequence[Any], small: Sequence[Any], folder: Path, repeats: int, *, quick: bool
) -> list[Any]:
    from scripts.measuring import bulk, clicks, codecs, server, shapes
    from scripts.measuring.subjects import build_subject, with_random_weights

    _say(f"SAM {settings.sam_model}")
    subject = build_subject(settings)
    few = max(3, repeats // 8)
    rows = clicks.measure_click(subject, pictures, repeats=repeats, aim=FASTER_CLICK.get(subject.name, 1.0))
    in_server_ms = rows[0].p50_ms
    rows.append(clicks.measure_return(subject, pictures, repeats=few))
    rows += clicks.measure_payload(subject, pictures[0], repeats=repeats)
    rows += clicks.measure_model(subject, pictures[0], encodes=few, repeats=repeats)
    _say("the server")
    rows += server.measure_http(settings, pictures, folder, repeats=repeats, in_server_ms=in_server_ms)
    if not quick:
        rows += _measure_vit_b(with_random_weights(settings, "vit_b", folder), pictures, repeats)
    _say("brush masks and export")
    embedding = subject.segmenter.encode(pictures[0].scene.pixels)
    for what, masks in (
        ("1080p", _objects(subject, embedding, pictures[0])),
        ("12 MP", _objects(subject, replace(embedding, original_size=TWELVE_MEGAPIXELS), pictures[0])),
    ):
        rows += codecs.measure_codec(what, masks[:4], repeats=few)
        rows += shapes.measure_shapes(what, masks[:4], repeats=few)
    rows += codecs.measure_export(_objects(subject, embedding, pictures[0])[:3], folder, tasks=5, repeats=few)
    _say("classes and pre-annotation")
    if subject.predictor.labeler.can_classify:
        rows.append(bulk.measure_clip(subject, pictures[0], repeats=few))
        rows.append(bulk.measure_preannotation(subject, small[: few + 1]))
        if not quick:
            rows.append(bulk.measure_preannotation(subject, pictures[:3]))
    return rows


def _measure_vit_b(settings: Settings, pictures: Sequence[Any], repeats: int) -> list[Any]:
    from scripts.measuring import clicks
    from scripts.measuring.subjects import build_subject

    _say("SAM vit_b with random weights")
    subject = build_subject(settings)
    rows = clicks.measure_click(subject, pictures, repeats=repeats, aim=FASTER_CLICK["vit_b"])
    rows.append(clicks.measure_return(subject, pictures, repeats=3))
    return rows + clicks.measure_model(subject, pictures[0], encodes=3, repeats=repeats)


def _objects(subject: Any, embedding: Any, picture: Any) -> list[Any]:
    """SAM's masks of the picture's objects, at the size that the embedding says."""
    from scripts.demo_world.scenes import click_point

    scale = embedding.original_size.width / picture.scene.size.width
    points = [click_point(scene_object.mask) for scene_object in picture.scene.objects]
    prompts = [Prompt(((x * scale, y * scale),), (1,)) for x, y in points]
    return [subject.segmenter.decode(embedding, prompt, most=1)[0].mask for prompt in prompts]


def _command_line(arguments: argparse.Namespace) -> str:
    """How to measure the same again; where it is written does not matter."""
    given = [f"--{name} {value}" for name in ("threads", "repeats") if (value := getattr(arguments, name))]
    return " ".join(["python -m scripts.benchmark", *(["--quick"] if arguments.quick else []), *given])


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
