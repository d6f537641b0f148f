"""Evaluate corrections: IoU after 0 to 3 clicks on the largest wrong part, and whether the clicks hold.

    python -m scripts.demo_world.evaluate_corrections [--tuning] [--objects 500] [--first 70000] [--rows FILE]
        [--earlier-sam FILE]

Five courses, each with a click in the middle of the wrong part and at a random pixel of it. Three are compared with the
engine before clicks were forced, on the same objects (with --earlier-sam that runs with the weights it had): all clicks
in one request (chain), corrections of SAM's accepted answer (refine), and of masks that a person painted and that were
pre-annotated (painted). In the others SAM's accepted answer to a click (ticked) or a box (ticked-box) is corrected
through the backend's predictor within a minute of each answer, and compared with the same after that minute, when the
predictor has forgotten the answer. A click that it does not take for a correction leaves the mask.

With --rows the courses are kept in a file, and an evaluation that was ended, or of fewer objects, is gone on with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from backend.values import Mask
from scripts.demo_world.correction_bench import Bench, Item, start_of
from scripts.demo_world.corrections import Answer, Course, answer_chain, answer_on_page, correct, first_click
from scripts.demo_world.evaluate import DEMO_SAM, RENDERERS
from scripts.demo_world.scenes import HELD_OUT_SEED, TUNING_SEED
from scripts.demo_world.ticked_answers import answers_after_ticks

FIRST = 70_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rule was chosen; TUNING_SEED + 40,000 on chose it."""
COURSES = ("chain", "refine", "painted", "ticked", "ticked-box")
KINDS = ("middle", "random")  # pixel of the wrong part
WORSE = 0.005


@dataclass(frozen=True)
class Row:
    """What became of the `number`-th object in a course, by clicks of one kind, with each engine."""

    number: int
    course: str
    kind: str
    ours: Course
    earlier: Course


Courses = dict[tuple[str, str], list[Row]]
"""By course and kind of click."""


def run(bench: Bench, courses: Sequence[str], objects: int, rows: Path | None = None) -> Courses:
    """Correct each object in each course with both engines.

    Args:
        rows: File with the courses of the first objects, to which those of the others are appended.
    """
    kept = read_rows(rows) if rows and rows.exists() else []
    bench.automatic = "painted" in courses
    numbers = range(kept[-1].number + 1 if kept else 0, objects)
    for n, item in zip(numbers, bench.objects(numbers.start), strict=False):
        own = list(_correct_object(bench, courses, n, item))
        kept += own
        if rows:
            with rows.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(row)) + "\n" for row in own)
    return {
        (course, kind): [row for row in kept if (row.course, row.kind) == (course, kind) and row.number < objects]
        for course in courses
        for kind in KINDS
    }


def _correct_object(bench: Bench, courses: Sequence[str], n: int, item: Item) -> Iterator[Row]:
    truth = item.truth
    for course in courses:
        clicks = [first_click(truth)] if course == "chain" else []
        for kind in KINDS:
            begun = _begin(bench, course, item, n)
            if begun is None:
                continue
            start, answer, other = begun
            seed = None if kind == "middle" else n
            ours = correct(answer, item.image, truth, start, clicks, seed)
            earlier = correct(other, item.earlier_image, truth, start, clicks, seed, with_polygons=False)
            yield Row(n, course, kind, ours, earlier)


def _begin(bench: Bench, course: str, item: Item, n: int) -> tuple[Mask, Answer, Answer] | None:
    """Return the mask to correct, and what corrects it: our engine and the one that it is compared with."""
    if course.startswith("ticked"):
        return answers_after_ticks(bench.site, item, by_box=course == "ticked-box")
    start, build = start_of(bench, course, item, n), answer_chain if course == "chain" else answer_on_page
    return (start, build(bench.ours), build(bench.earlier)) if start.any() else None


def read_rows(path: Path) -> list[Row]:
    """Read the courses of an evaluation that was ended; of an object that was not finished none."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Row(**{**row, "ours": Course(**row["ours"]), "earlier": Course(**row["earlier"])}) for row in rows]


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """Summarize one course; `worse` counts corrections, as a share of all of them."""
    pairs = [(row.ours, row.earlier) for row in rows]
    ours, earlier = ([pair[side] for pair in pairs] for side in (0, 1))
    moved = np.array([a.first_change for a, b in pairs if b.obeyed and not b.obeyed[0]] or [(0.0, 0.0)])
    return {
        "objects": len(pairs),
        "corrections": [sum(len(course.obeyed) for course in side) for side in (ours, earlier)],
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
        "change_over_half": int(np.count_nonzero(moved[:, 1] > 0.5)),
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
    parser.add_argument("--sam", type=Path, help="weights of SAM in place of the demo's")
    parser.add_argument("--earlier-sam", type=Path, help="weights that the earlier engine had")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--rows", type=Path, help="JSON lines file for the courses, one for each renderer beside it")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    figures = {}
    for renderer in chosen.renderer:
        first_seed = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first
        bench = Bench(renderer, first_seed, chosen.sam or DEMO_SAM, chosen.earlier_sam)
        kept = chosen.rows and chosen.rows.with_name(f"{chosen.rows.stem} {renderer}{chosen.rows.suffix}")
        for (course, kind), rows in run(bench, chosen.course, chosen.objects, kept).items():
            figures[f"{renderer}, {course}, {kind}"] = summary = summarize(rows)
            print(f"\n{renderer}, {course}, {kind}", flush=True)
            for name, value in summary.items():
                print(f"  {name}: {json.dumps(value)}", flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
