"""Evaluate corrections: IoU after 0 to 3 clicks on the largest wrong part, and whether the clicks hold.

    python -m scripts.demo_world.evaluate_corrections [--tuning] [--objects 500] [--first 70000] [--out FILE]

Three courses, each with a click in the middle of the wrong part and at a random pixel of it: all clicks in one request
(chain), corrections of SAM's accepted answer (refine), and of masks that a person painted and that were pre-annotated
(painted). Each is compared with the engine before clicks were forced, on the same objects.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from backend.engine import EncodedImage, ImageLabeler, segment_image
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Mask
from scripts.demo_world.corrections import (
    Course,
    EarlierLabeler,
    answer_chain,
    answer_on_page,
    correct,
    first_click,
    paint,
)
from scripts.demo_world.evaluate import DEMO_PROPOSAL, RENDERERS, load_demo_sam
from scripts.demo_world.scenes import HELD_OUT_SEED, TUNING_SEED

FIRST = 70_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rule was chosen; TUNING_SEED + 40,000 on chose it."""
COURSES = ("chain", "refine", "painted")
WORSE = 0.005
MIN_START_IOU = 0.5  # of a pre-annotated mask with the object that it stands for


class Bench:
    """Both engines on one segmenter, and the objects of a renderer."""

    def __init__(self, renderer: str, first_seed: int) -> None:
        self.segmenter = SamSegmenter(load_demo_sam(), device="cpu")
        self.ours, self.earlier = ImageLabeler(self.segmenter, None), EarlierLabeler(self.segmenter, None)
        self._renderer, self._first_seed = renderer, first_seed

    def objects(self) -> Iterator[tuple[EncodedImage, Mask, Sequence[Mask]]]:
        """Yield encoded image, true mask and the image's automatic masks, without end."""
        for number in count(self._first_seed):
            scene, file = RENDERERS[self._renderer](number), io.BytesIO()
            Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
            source = SourceImage(file.getvalue())
            image = EncodedImage(source, self.segmenter.encode(source.pixels))
            found = [region.mask for region in segment_image(self.ours, image, DEMO_PROPOSAL)] if self.automatic else []
            for item in scene.objects:
                yield image, item.mask, found

    automatic = True


def start_of(bench: Bench, course: str, image: EncodedImage, truth: Mask, found: Sequence[Mask], n: int) -> Mask | None:
    """Return the mask to correct; None for an object that the course leaves out."""
    if course != "painted":
        return answer_chain(bench.ours)(image, truth, [first_click(truth)])
    if n % 2:
        return paint(truth, n)
    best = max(found, key=lambda mask: mask_iou(mask, truth), default=None)
    return best if best is not None and mask_iou(best, truth) >= MIN_START_IOU else paint(truth, n)


def run(bench: Bench, courses: Sequence[str], objects: int) -> dict[tuple[str, str], list[tuple[Course, Course]]]:
    """Correct each object in each course with both engines; (ours, earlier) by course and kind of click."""
    rows: dict[tuple[str, str], list[tuple[Course, Course]]] = {}
    bench.automatic = "painted" in courses
    for n, (image, truth, found) in zip(range(objects), bench.objects(), strict=False):
        for course in courses:
            start = start_of(bench, course, image, truth, found, n)
            if start is None or not start.any():
                continue
            clicks = [first_click(truth)] if course == "chain" else []
            build = answer_chain if course == "chain" else answer_on_page
            ours, earlier = build(bench.ours), build(bench.earlier)
            for kind, seed in (("middle", None), ("random", n)):
                pair = [correct(one, earlier, image, truth, start, clicks, seed) for one in (ours, earlier)]
                rows.setdefault((course, kind), []).append((pair[0], pair[1]))
    return rows


def summarize(pairs: Sequence[tuple[Course, Course]]) -> dict[str, Any]:
    """Summarize one course; `worse` counts corrections, as a share of all of them."""
    ours, earlier = ([pair[side] for pair in pairs] for side in (0, 1))
    moved = np.array([move for course in ours for move in course.moved] or [(0.0, 0.0)])
    return {
        "objects": len(pairs),
        "iou": _means(ours),
        "iou_earlier": _means(earlier),
        "gain_interval": [_interval(np.array([_gain(c, step) for c in ours])) for step in (1, 3)],
        "over_earlier_interval": [
            _interval(np.array([a.ious[step] - b.ious[step] for a, b in pairs])) for step in (1, 3)
        ],
        "worse": _share(ours),
        "worse_earlier": _share(earlier),
        "worse_first": [float(np.mean([_gain(c, 1) < -WORSE for c in side])) for side in (ours, earlier)],
        "worse_ratio_interval": _ratio_interval(pairs),
        "obeyed": float(np.mean([held for c in ours for held in c.obeyed])),
        "obeyed_as_polygon": float(np.mean([held for c in ours for held in c.as_polygon])),
        "obeyed_earlier": float(np.mean([held for c in earlier for held in c.obeyed])),
        "moved": len(moved),
        "wrong_part_covered_median": float(np.median(moved[:, 0])),
        "change_of_mask_max": float(moved[:, 1].max()),
    }


def _means(courses: Sequence[Course]) -> list[float]:
    return [float(mean) for mean in np.mean([course.ious for course in courses], axis=0)]


def _gain(course: Course, step: int) -> float:
    return course.ious[step] - course.ious[0]


def _steps_worse(course: Course) -> int:
    return int(np.count_nonzero(np.diff(course.ious) < -WORSE))


def _share(courses: Sequence[Course]) -> float:
    return sum(map(_steps_worse, courses)) / max(sum(len(course.obeyed) for course in courses), 1)


def _interval(values: np.ndarray) -> list[float]:
    """Return the 95 % bootstrap interval of the mean over objects."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    return [float(bound) for bound in np.percentile(means, (2.5, 97.5))]


def _ratio_interval(pairs: Sequence[tuple[Course, Course]]) -> list[float]:
    """Return the 95 % bootstrap interval of the worse corrections as a share of those of the earlier engine."""
    counts = np.array([[_steps_worse(course) for course in pair] for pair in pairs])
    rng = np.random.default_rng(0)
    sums = counts[rng.integers(len(counts), size=(2000, len(counts)))].sum(axis=1)
    return [float(bound) for bound in np.percentile(sums[:, 0] / np.maximum(sums[:, 1], 1), (2.5, 97.5))]


def main(arguments: list[str] | None = None) -> None:
    """Evaluate and print one table a renderer, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tuning", action="store_true", help="tuning scenes instead of held-out ones")
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--first", type=int, default=FIRST, help="offset of the first scene's seed")
    parser.add_argument("--renderer", choices=list(RENDERERS), nargs="+", default=list(RENDERERS))
    parser.add_argument("--course", choices=COURSES, nargs="+", default=list(COURSES))
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    figures = {}
    for renderer in chosen.renderer:
        bench = Bench(renderer, (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first)
        for (course, kind), pairs in run(bench, chosen.course, chosen.objects).items():
            figures[f"{renderer}, {course}, {kind}"] = summary = summarize(pairs)
            print(f"\n{renderer}, {course}, {kind}", flush=True)
            for name, value in summary.items():
                print(f"  {name}: {json.dumps(value)}", flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
