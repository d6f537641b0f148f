"""Evaluation of clicks on nothing: how many clicks on the background are answered, and how many on objects refused.

    python -m scripts.demo_world.evaluate_nothing [--scenes 200] [--first 30000] [--min-score 0.5]

On scenes of both renderers, through the backend's own rule (`predict.click_on_nothing`). In each scene clicks fall on
random pixels of the background farther than `NEAR_PIXELS` from every object, on random pixels nearer than that, on the
middle of each object and on a random pixel of it, its border included. A refusal of a click on an object is a loss only
if SAM's answer was right: those whose IoU with the object is at least 0.5 are counted as well. With `--tuning` the
scenes are those for choosing thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from segment_anything.modeling import Sam

from backend.engine import ImageLabeler
from backend.geometry import mask_iou
from backend.models.registry import find_segmenter
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.click_on_nothing import find_object
from backend.values import Mask, Prompt
from scripts.demo_world.evaluate import load_demo_sam
from scripts.demo_world.refusals import RIGHT_IOU, Figures, RefusalCounts, encode_scenes, run_evaluation
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point

UNSEEN = 30_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rule and its threshold were chosen."""
NEAR_PIXELS = 6.0
FAR_CLICKS, NEAR_CLICKS = 10, 5  # in each scene
DEMO_MIN_SCORE = find_segmenter("demo").min_click_score
KINDS = ("background", "near an object", "middle of an object", "anywhere on an object")
Pixel = tuple[int, int]


def clicks_of(scene: Scene, seed: int) -> Iterator[tuple[str, Pixel]]:
    """Yield the kind and the pixel (x, y) of each click in a scene."""
    rng = np.random.default_rng(seed)
    objects = np.logical_or.reduce([item.mask for item in scene.objects])
    distance = cv2.distanceTransform((~objects).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    yield from ((KINDS[0], pixel) for pixel in _pick(rng, distance > NEAR_PIXELS, FAR_CLICKS))
    yield from ((KINDS[1], pixel) for pixel in _pick(rng, (distance > 0) & (distance <= NEAR_PIXELS), NEAR_CLICKS))
    for item in scene.objects:
        x, y = click_point(item.mask)
        yield KINDS[2], (int(x), int(y))
        yield from ((KINDS[3], pixel) for pixel in _pick(rng, item.mask, 1))


def measure_nothing(
    renderer: str, sam: Sam, count: int, first: int = HELD_OUT_SEED + UNSEEN, min_score: float = DEMO_MIN_SCORE
) -> Figures:
    """Count the clicks of each kind, and the shares that are refused, refused though right, and answered right."""
    segmenter, counts = SamSegmenter(sam, device="cpu"), RefusalCounts("clicks")
    labeler, seeds = ImageLabeler(segmenter, None), range(first, first + count)
    for seed, scene, encoded in encode_scenes(renderer, segmenter, seeds, "clicks on nothing"):
        for kind, (x, y) in clicks_of(scene, seed):
            point = (x + 0.5, y + 0.5)
            found = find_object(labeler, encoded, point, min_score)
            answer = labeler.segment(encoded, Prompt((point,), (1,)))[0] if found is None else found.candidate
            clicked = [item.mask for item in scene.objects if item.mask[y, x]]
            is_right = any(mask_iou(answer.mask, mask) >= RIGHT_IOU for mask in clicked)
            counts.add(kind, is_refused=found is None, is_right=is_right)
    return counts.figures(KINDS)


def nothing_line(figures: Figures) -> str:
    """Format the figures in one line."""
    parts = [f"{kind} {found['refused']:.2%} of {found['clicks']:.0f}" for kind, found in figures.items()]
    missed, right = (
        " and ".join(f"{figures[kind][share]:.2%}" for kind in KINDS[2:]) for share in ("refused_though_right", "right")
    )
    return f"Clicks refused: {', '.join(parts)}; on objects though the mask was right {missed}; answered right {right}."


def _pick(rng: np.random.Generator, where: Mask, count: int) -> list[Pixel]:
    rows, columns = np.nonzero(where)
    chosen = rng.choice(len(rows), min(count, len(rows)), replace=False)
    return [(int(columns[place]), int(rows[place])) for place in chosen]


def main(arguments: list[str] | None = None) -> None:
    def evaluate(renderer: str, scenes: int, first: int, min_score: float) -> str:
        return nothing_line(measure_nothing(renderer, load_demo_sam(), scenes, first, min_score))

    run_evaluation(evaluate, __doc__, UNSEEN, DEMO_MIN_SCORE, arguments)


if __name__ == "__main__":
    main()
