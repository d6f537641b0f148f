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
from collections.abc import Sequence
from pathlib import Path

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
from scripts.demo_world.review_queues import Reviewed, ReviewedTask, format_figures, summarize
from scripts.demo_world.review_signals import measure_signals
from scripts.demo_world.scenes import CLASS_NAMES, HELD_OUT_SEED, TUNING_SEED, Scene

FIRST = 90_000  # scenes from here on are used only here
MIN_IOU = 0.75  # of a correct mask with its object
VOCABULARY = tuple(map(ClassName, CLASS_NAMES))


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
        masks = [Curve(f"masks, {name}", found["curve"]) for name, found in figures.items()]
        of_tasks = [Curve(f"tasks, {name}", found["task_curve"]) for name, found in figures.items()]
        chosen.curve.write_text(draw_curves([*masks, *of_tasks]))


if __name__ == "__main__":
    main()
