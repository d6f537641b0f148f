"""Evaluate outlines, the polygons that a person can edit, on the demo SAM's masks of both renderers.

    python -m scripts.demo_world.evaluate_outlines [--scenes 25] [--large-scenes 6]

The masks are the answers to a click on every object of tuning scenes, at 640x480 and enlarged to 12 megapixels by SAM's
own postprocessing. "Before" is a polygon within a pixel that keeps all parts and holes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from segment_anything import SamPredictor

from backend.geometry import clean_mask, mask_iou, mask_to_outline, mask_to_polygon, polygon_to_mask, speck_area
from backend.values import Mask, Size
from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.evaluate import load_demo_sam

T = TypeVar("T")
FIRST = scenes.TUNING_SEED + 5000
SMALL, LARGE = Size(640, 480), Size(4000, 3000)
MAX_POINTS, REPEATS = 60, 4
HEAD = (
    "| Renderer | size | masks | ≤ 60 points, before | now | points before, p50 / p95 / max | now |"
    " IoU, min / p5 / p50 | over 5 % left out | double lines | ms before | now |"
)


@dataclass(frozen=True)
class Outlined:
    """One mask: its points and milliseconds before and now, the IoU, what is left out, whether there is a bridge."""

    points: tuple[int, int]
    milliseconds: tuple[float, float]
    iou: float
    left_out: float
    has_bridge: bool


def find_masks(
    predictor: SamPredictor, make_scene: Callable[..., scenes.Scene], count: int, size: Size
) -> Iterator[tuple[Mask, tuple[float, float]]]:
    """Yield the cleaned answers to a click on every object, and the clicks."""
    for number in range(count):
        scene = make_scene(FIRST + number, SMALL)
        predictor.set_image(scene.pixels)
        predictor.original_size = (size.height, size.width)
        for item in scene.objects:
            point = np.float32([scenes.click_point(item.mask)]) * (size.width / SMALL.width)
            masks, scores, _ = predictor.predict(point, np.array([1]), multimask_output=True)
            mask, click = masks[int(scores.argmax())], (float(point[0, 0]), float(point[0, 1]))
            if mask.any():
                yield clean_mask(mask, speck_area(size), [click]), click


def outline(mask: Mask, click: tuple[float, float]) -> Outlined:
    """Measure one mask. IoU is that with the parts that are kept."""
    before, ms_before = time_best(lambda: mask_to_polygon(mask, 1.0))
    now, ms_now = time_best(lambda: mask_to_outline(mask, clicks=[click]))
    drawn = polygon_to_mask(now.ring, Size(mask.shape[1], mask.shape[0]))
    iou = mask_iou(drawn, mask & kept_parts(mask, click)) if now.left_out else mask_iou(drawn, mask)
    return Outlined((len(before), len(now.ring)), (ms_before, ms_now), iou, now.left_out, now.holes + now.parts > 1)


def kept_parts(mask: Mask, click: tuple[float, float]) -> Mask:
    """The largest part and the clicked one, by OpenCV."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    wanted = {1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), int(parts[int(click[1]), int(click[0])])} - {0}
    return np.isin(parts, list(wanted))


def time_best(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result and the CPU time in milliseconds, the minimum of some runs."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        result = work()
        times.append((time.process_time() - start) * 1000)
    return result, min(times)


def format_row(renderer: str, size: Size, rows: Sequence[Outlined]) -> str:
    """Format one row of the table."""
    points, times = np.array([row.points for row in rows]), np.array([row.milliseconds for row in rows])
    share = (points <= MAX_POINTS).mean(axis=0) * 100
    spread = [" / ".join(f"{value:.0f}" for value in np.percentile(column, (50, 95, 100))) for column in points.T]
    ious = " / ".join(f"{value:.3f}" for value in np.percentile([row.iou for row in rows], (0, 5, 50)))
    left_out, bridges = sum(row.left_out >= 0.05 for row in rows), sum(row.has_bridge for row in rows)
    return (
        f"| {renderer} | {size} | {len(rows)} | {share[0]:.0f} % | {share[1]:.0f} % | {spread[0]} | {spread[1]} |"
        f" {ious} | {left_out} | {bridges} | {times[:, 0].mean():.2f} | {times[:, 1].mean():.2f} |"
    )


def main(arguments: list[str] | None = None) -> None:
    """Evaluate and print the table, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=25)
    parser.add_argument("--large-scenes", type=int, default=6)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    predictor = SamPredictor(load_demo_sam())
    print(f"{HEAD}\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for renderer, make_scene in (("first", scenes.make_scene), ("second", second_renderer.make_scene)):
        for size, count in ((SMALL, chosen.scenes), (LARGE, chosen.large_scenes)):
            rows = [outline(mask, click) for mask, click in find_masks(predictor, make_scene, count, size)]
            print(format_row(renderer, size, rows), flush=True)


if __name__ == "__main__":
    main()
