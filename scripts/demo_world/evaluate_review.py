"""Evaluate the order of review: how early it shows wrong masks and classes, on held-out scenes of both renderers.

    python -m scripts.demo_world.evaluate_review [--scenes 150] [--tuning] [--out figures.json] [--curve curve.svg]

Each scene is pre-annotated as `scripts.preannotate --review` does. Two queues are made of the result:

- masks: a fifth of them is damaged (see `damage`). What is to be found are the damaged ones, and the pipeline's own
  errors: masks with an IoU below 0.75 with every object, or of the wrong class;
- tasks, by the lowest trust in any of their masks: in a fifth of them one mask is damaged. What is to be found are the
  tasks with an error.

A damaged mask is classified anew, as if the pipeline had made it, and gets the most probable class; "wrong class"
leaves the mask as it is and gives it another class at random. The figures are means over several draws of what is
damaged. Objects without a mask are counted apart: no score of a mask can tell of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from backend.engine import EncodedImage, ImageLabeler, segment_image, trust_in
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.values import ClassName, ClassScore, Mask, Region
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.damage import KINDS, damage_mask
from scripts.demo_world.draw_curves import Curve, draw_curves
from scripts.demo_world.evaluate import DEMO_PROPOSAL, RENDERERS, load_demo_clip
from scripts.demo_world.evaluate_text import DemoEngine, build_engine
from scripts.demo_world.review_figures import Queue
from scripts.demo_world.review_signals import FORMULAS, Signals, measure_signals
from scripts.demo_world.scenes import CLASS_NAMES, HELD_OUT_SEED, TUNING_SEED, Scene

FIRST = 90_000  # scenes from here on are used only here
MIN_IOU = 0.75  # of a correct mask with its object
DAMAGED = 0.2
FIRST_PART = 0.25
DRAWS = 50
VOCABULARY = tuple(map(ClassName, CLASS_NAMES))


@dataclass(frozen=True)
class Reviewed:
    """A mask with its class.

    Attributes:
        kind: How it was damaged; "" for the pipeline's own.
        is_error: Whether a review should find it.
        trust: As `scripts.preannotate --review` scores it.
        signals: For the other formulas.
    """

    kind: str
    is_error: bool
    trust: float
    signals: Signals


@dataclass(frozen=True)
class ReviewedTask:
    """The masks of one scene, each as the pipeline made it and once damaged, and the number of missing objects."""

    own: tuple[Reviewed, ...]
    damaged: tuple[Reviewed, ...]
    missing: int


def review_scene(engine: DemoEngine, labeler: ImageLabeler, scene: Scene, rng: np.random.Generator) -> ReviewedTask:
    """Pre-annotate a scene and damage each of its masks.

    Args:
        labeler: With the probability of every class.
        rng: Chooses the kinds of damage.
    """
    encoded = engine.encode(SourceImage(encode_png(scene)))
    regions = segment_image(labeler, encoded, DEMO_PROPOSAL, [VOCABULARY])
    kinds, damaged = [], []
    for place, region in enumerate(regions):
        others = [other.mask for other in (*regions[:place], *regions[place + 1 :])]
        kind, mask = _draw_damage(region.mask, others, rng)
        kinds.append(kind)
        damaged.append(mask)
    scores = labeler.classify(encoded.image, damaged, [VOCABULARY])[0]
    changed = [
        Region(mask, region.score, (_relabeled(of_mask, rng) if kind == "wrong class" else of_mask,))
        for kind, mask, region, of_mask in zip(kinds, damaged, regions, scores, strict=True)
    ]
    return ReviewedTask(
        tuple(_review(engine, labeler, encoded, scene, regions, [""] * len(regions))),
        tuple(_review(engine, labeler, encoded, scene, changed, kinds)),
        sum(all(mask_iou(region.mask, item.mask) < MIN_IOU for region in regions) for item in scene.objects),
    )


def _draw_damage(mask: Mask, others: Sequence[Mask], rng: np.random.Generator) -> tuple[str, Mask]:
    """Damage a mask in a way that is possible; "wrong class" always is."""
    for kind in rng.permutation(KINDS):
        damaged = mask if kind == "wrong class" else damage_mask(kind, mask, others, rng)
        if damaged is not None:
            return str(kind), damaged
    raise AssertionError("unreachable")


def _relabeled(scores: Sequence[ClassScore], rng: np.random.Generator) -> tuple[ClassScore, ...]:
    """Give a mask another class than the best one, with the probability that CLIP gives to it."""
    return (scores[int(rng.integers(1, len(scores)))],)


def _review(
    engine: DemoEngine,
    labeler: ImageLabeler,
    encoded: EncodedImage,
    scene: Scene,
    regions: Sequence[Region],
    kinds: Sequence[str],
) -> list[Reviewed]:
    agreement = labeler.measure_agreement(encoded, [region.mask for region in regions])
    return [
        Reviewed(
            kind,
            is_error=bool(kind) or not _is_right(region, scene),
            trust=trust_in(share, region.class_scores[0]),
            signals=measure_signals(
                engine.segmenter, encoded, region.mask, region.score, region.class_scores[0][0].score
            ),
        )
        for region, kind, share in zip(regions, kinds, agreement, strict=True)
    ]


def _is_right(region: Region, scene: Scene) -> bool:
    """Whether a mask is that of an object, with the object's class."""
    ious = [mask_iou(region.mask, item.mask) for item in scene.objects]
    best = int(np.argmax(ious))
    return ious[best] >= MIN_IOU and scene.objects[best].class_name == region.class_scores[0][0].name


def queue_masks(tasks: Sequence[ReviewedTask], rng: np.random.Generator) -> list[Reviewed]:
    """Draw the masks of a project, of which a fifth is damaged."""
    pairs = [pair for task in tasks for pair in zip(task.own, task.damaged, strict=True)]
    is_damaged = rng.permutation(len(pairs)) < round(DAMAGED * len(pairs))
    return [damaged if flag else own for (own, damaged), flag in zip(pairs, is_damaged, strict=True)]


def queue_tasks(tasks: Sequence[ReviewedTask], rng: np.random.Generator) -> Queue:
    """Draw the tasks of a project: in a fifth of them one mask is damaged. A task without a mask has the trust 0."""
    is_damaged = rng.permutation(len(tasks)) < round(DAMAGED * len(tasks))
    trust, is_error = [], []
    for task, flag in zip(tasks, is_damaged, strict=True):
        masks = list(task.own)
        if flag and masks:
            place = int(rng.integers(len(masks)))
            masks[place] = task.damaged[place]
        trust.append(min((mask.trust for mask in masks), default=0.0))
        is_error.append(any(mask.is_error for mask in masks))
    return Queue(np.array(trust), np.array(is_error))


def summarize(tasks: Sequence[ReviewedTask], draws: int = DRAWS) -> dict[str, Any]:
    """Compute all figures, means over the draws."""
    drawn = [queue_masks(tasks, np.random.default_rng(number)) for number in range(draws)]
    task_queues = [queue_tasks(tasks, np.random.default_rng((number, 1))) for number in range(draws)]
    queues = [_queue(masks, lambda mask: mask.trust) for masks in drawn]
    of_missing = Queue(
        np.array([min((mask.trust for mask in task.own), default=0.0) for task in tasks]),
        np.array([task.missing > 0 for task in tasks]),
    )
    return {
        "tasks": len(tasks),
        "masks": len(drawn[0]),
        "own_errors": sum(mask.is_error for task in tasks for mask in task.own),
        "review": _mean_figures(queues),
        "by_kind": {kind or "the pipeline's own": _found_of_kind(drawn, queues, kind) for kind in ("", *KINDS)},
        "formulas": {
            name: _mean_figures([_queue(masks, lambda mask, f=formula: f(mask.signals)) for masks in drawn])
            for name, formula in FORMULAS.items()
        },
        "by_task": _mean_figures(task_queues),
        "missing": sum(task.missing for task in tasks),
        "tasks_with_missing": of_missing.errors,
        "tasks_with_missing_in_first_part": of_missing.found_in_first(FIRST_PART),
        "curve": np.mean([queue.found() for queue in queues], axis=0).tolist(),
        "task_curve": np.mean([queue.found() for queue in task_queues], axis=0).tolist(),
    }


def _queue(masks: Sequence[Reviewed], trust: Callable[[Reviewed], float]) -> Queue:
    return Queue(np.array([trust(mask) for mask in masks]), np.array([mask.is_error for mask in masks]))


def _mean_figures(queues: Sequence[Queue]) -> dict[str, float]:
    found = [queue.found_in_first(FIRST_PART) for queue in queues]
    return {
        "errors": float(np.mean([queue.errors for queue in queues])),
        "found": float(np.mean(found)),
        "found_min": min(found),
        "best": float(np.mean([queue.best_in_first(FIRST_PART) for queue in queues])),
        "auroc": float(np.mean([queue.auroc for queue in queues])),
        "average_precision": float(np.mean([queue.average_precision for queue in queues])),
    }


def _found_of_kind(drawn: Sequence[Sequence[Reviewed]], queues: Sequence[Queue], kind: str) -> float:
    """The share of the errors of one kind in the first part of the queue of all masks, over all draws."""
    of_kind = [
        Queue(queue.trust, np.array([mask.is_error and mask.kind == kind for mask in masks]))
        for masks, queue in zip(drawn, queues, strict=True)
    ]
    found = sum(queue.found_in_first(FIRST_PART) * queue.errors for queue in of_kind)
    return found / max(sum(queue.errors for queue in of_kind), 1)


def format_figures(renderer: str, figures: dict[str, Any]) -> str:
    """Format the figures of one renderer as Markdown."""
    task, review = figures["by_task"], figures["review"]
    lines = [
        f"\n{renderer}: {figures['tasks']} tasks with {figures['masks']} masks; the pipeline's own errors are "
        f"{figures['own_errors']}; with the damage {review['errors']:.0f} errors.",
        f"Tasks: {task['errors']:.0f} with an error, {task['found']:.3f} of them in the first quarter (the best order: "
        f"{task['best']:.3f}), AUROC {task['auroc']:.3f}, average precision {task['average_precision']:.3f}.",
        f"Missing: {figures['missing']} objects in {figures['tasks_with_missing']} tasks, of which "
        f"{figures['tasks_with_missing_in_first_part']:.3f} are in the first quarter.",
        "\n| formula | in the first quarter | at the least | the best order | AUROC | average precision |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, row in {"**as built**": review, **figures["formulas"]}.items():
        values = (row[key] for key in ("found", "found_min", "best", "auroc", "average_precision"))
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    kinds = ", ".join(f"{kind} {share:.2f}" for kind, share in figures["by_kind"].items())
    return "\n".join([*lines, f"\nIn the first quarter by kind: {kinds}"])


def main(arguments: list[str] | None = None) -> None:
    """Evaluate, print and write, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--tuning", action="store_true", help="tuning scenes of the first renderer only")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--curve", type=Path, help="SVG file for the curves")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    engine, first = build_engine(), (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + FIRST
    labeler = ImageLabeler(engine.segmenter, load_demo_clip(), top_k=len(VOCABULARY))
    figures = {}
    for renderer, make_scene in list(RENDERERS.items())[: 1 if chosen.tuning else None]:
        seeds = tqdm(range(first, first + chosen.scenes), desc=renderer, mininterval=5)
        tasks = [review_scene(engine, labeler, make_scene(seed), np.random.default_rng(seed)) for seed in seeds]
        figures[renderer] = summarize(tasks)
        print(format_figures(renderer, figures[renderer]), flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(figures, indent=1) + "\n")
    if chosen.curve:
        chosen.curve.write_text(draw_curves([Curve(name, f["curve"]) for name, f in figures.items()]))


if __name__ == "__main__":
    main()
