"""Evaluate mask cleaning, and what each region shape preserves of a mask, with the demo SAM.

    python -m scripts.demo_world.evaluate_shapes [--scenes 30] [--width 1920] [--height 1080]

The masks are the answers to a click, a corrective click (without and with the previous mask) and a box on every object
of held-out scenes. Sizes are those of the JSON for Label Studio, without the labels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from segment_anything import SamPredictor
from tqdm import tqdm

from backend.geometry import OutlineOptions, clean_mask, mask_iou, mask_to_outline, speck_area
from backend.label_studio.results import build_value, mask_from_value
from backend.values import Mask, Size
from scripts.demo_world.evaluate import load_demo_sam
from scripts.demo_world.evaluate_sam import answer_object
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene

T = TypeVar("T")
FIRST = 8000  # scenes from here on are used only here
OUTLINE = "outline"  # the polygon that is sent by default
SHAPES = (
    ("brush", 0.0), ("bitmask", 0.0), ("polygon", 0.0), ("polygon", 0.5), ("polygon", 1.0), ("polygon", 2.0),
    ("polygon", 4.0), (OUTLINE, 1.0), ("rectangle", 0.0), ("ellipse", 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A mask of SAM, its true mask, and the clicked point."""

    mask: Mask
    truth: Mask
    point: tuple[float, float]


@dataclass(frozen=True)
class Cleaned:
    """One mask before and after cleaning: IoU with the truth, bytes of brush RLE, milliseconds."""

    changed: bool
    iou_before: float
    iou_after: float
    bytes_before: int
    bytes_after: int
    milliseconds: float


@dataclass(frozen=True)
class Shaped:
    """A mask as a region shape: bytes of JSON, points of a polygon, IoU with the mask and with the truth."""

    size: int
    points: int
    iou_with_mask: float
    iou_with_truth: float
    milliseconds: float


def find_answers(scenes: int, size: Size) -> list[Answer]:
    """Collect SAM's answers on held-out scenes, without empty masks."""
    predictor, masks = SamPredictor(load_demo_sam()), []
    for number in tqdm(range(scenes)):
        scene = make_scene(HELD_OUT_SEED + FIRST + number, size)
        predictor.set_image(scene.pixels)
        for item in scene.objects:
            answers = answer_object(predictor, item.mask).values()
            masks += [Answer(mask, item.mask, click_point(item.mask)) for mask, _ in answers if mask.any()]
    return masks


def time_best(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result and the CPU time in milliseconds, the minimum of three runs."""
    times = []
    for _ in range(3):
        start = time.process_time()
        result = work()
        times.append((time.process_time() - start) * 1000)
    return result, min(times)


def clean(answer: Answer) -> Cleaned:
    """Clean one mask as the backend does for a click."""
    height, width = answer.mask.shape
    min_area = speck_area(Size(width, height))
    cleaned, milliseconds = time_best(lambda: clean_mask(answer.mask, min_area, [answer.point]))
    iou_before, iou_after = (mask_iou(mask, answer.truth) for mask in (answer.mask, cleaned))
    before, after = (len(build_value(mask, "brush", tolerance=0)[0]["rle"]) for mask in (answer.mask, cleaned))
    return Cleaned(cleaned is not answer.mask, iou_before, iou_after, before, after, milliseconds)


def shape(answer: Answer, kind: str, tolerance: float) -> Shaped:
    """Convert a cleaned mask to a region shape and back."""
    height, width = answer.mask.shape
    mask = clean_mask(answer.mask, speck_area(Size(width, height)), [answer.point])
    (value,), milliseconds = time_best(lambda: build(mask, kind, tolerance, answer.point))
    again = mask_from_value(value, "polygon" if kind == OUTLINE else kind, Size(width, height))
    size = len(json.dumps(value, separators=(",", ":")))
    return Shaped(
        size, len(value.get("points", ())), mask_iou(again, mask), mask_iou(again, answer.truth), milliseconds
    )


def build(mask: Mask, kind: str, tolerance: float, point: tuple[float, float]) -> list[dict[str, Any]]:
    """Build the value of a region as the backend does."""
    if kind != OUTLINE:
        return build_value(mask, kind, tolerance=tolerance)
    ring = mask_to_outline(mask, OutlineOptions(tolerance), [point]).ring
    return build_value(mask, "polygon", tolerance=tolerance, ring=ring)


def cleaning_table(cleaned: Sequence[Cleaned]) -> str:
    """Format the effect of cleaning on all masks, and on those it changed."""
    lines = ["| Masks | | mean IoU before | after | brush RLE before | after |", "|---|--:|--:|--:|--:|--:|"]
    for name, rows in (("all", cleaned), ("changed", [row for row in cleaned if row.changed])):
        if rows:
            before, after = (_mean(rows, field) for field in ("iou_before", "iou_after"))
            sizes = [_mean(rows, field) for field in ("bytes_before", "bytes_after")]
            lines.append(
                f"| {name} | {len(rows)} | {before:.4f} | {after:.4f} | {sizes[0]:,.0f} B | {sizes[1]:,.0f} B |"
            )
    worst = min(row.iou_after - row.iou_before for row in cleaned)
    times = [row.milliseconds for row in cleaned]
    lines.append(f"\nThe worst change of one mask's IoU is {worst:+.4f}; cleaning takes {np.median(times):.2f} ms,")
    lines.append(f"{np.percentile(times, 95):.2f} ms at p95, {_median_changed(cleaned):.2f} ms for changed masks.")
    return "\n".join(lines)


def shape_table(answers: Sequence[Answer]) -> str:
    """Format what each shape preserves."""
    head = "| Shape | tolerance | IoU with the mask, mean | minimum | IoU with the truth | points | JSON | ms |"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for kind, tolerance in SHAPES:
        rows = [shape(answer, kind, tolerance) for answer in tqdm(answers, desc=kind)]
        means = [_mean(rows, field) for field in ("iou_with_mask", "iou_with_truth", "points", "size")]
        minimum, took = min(row.iou_with_mask for row in rows), np.median([row.milliseconds for row in rows])
        shown = f"{tolerance:g} px" if kind in ("polygon", OUTLINE) else ""
        points = f"{means[2]:.0f}" if shown else ""
        lines.append(
            f"| {kind} | {shown} | {means[0]:.4f} | {minimum:.3f} | {means[1]:.4f} | {points} | {means[3]:,.0f} B |"
            f" {took:.2f} |"
        )
    return "\n".join(lines)


def _mean(rows: Sequence[object], field: str) -> float:
    return float(np.mean([getattr(row, field) for row in rows]))


def _median_changed(cleaned: Sequence[Cleaned]) -> float:
    return float(np.median([row.milliseconds for row in cleaned if row.changed] or [0.0]))


def main(arguments: list[str] | None = None) -> None:
    """Evaluate and print both tables, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    answers = find_answers(chosen.scenes, Size(chosen.width, chosen.height))
    print(f"\n{chosen.scenes} scenes of {chosen.width}x{chosen.height}, {len(answers)} masks\n")
    print(cleaning_table([clean(answer) for answer in answers]))
    print(f"\n{shape_table(answers)}")


if __name__ == "__main__":
    main()
