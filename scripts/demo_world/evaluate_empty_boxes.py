"""Evaluation of boxes on nothing: how many boxes on the background are answered, and how many on objects refused.

    python -m scripts.demo_world.evaluate_empty_boxes [--scenes 200] [--first 40000] [--min-score 0.1]

On scenes of both renderers, through the backend's own rule (`predict.box_on_nothing`). Each object gets a box around
it, the same with each side moved by up to a tenth of its length, a loose one that is up to 0.4 of it larger on each
side, and one around a random quarter of it. Boxes on the background have no pixel of an object; their sides are from
0.05 to 0.4 of the image's. A refusal of a box on an object is a loss only if SAM's answer was right: those whose IoU
with the object is at least 0.5 are counted as well. With `--tuning` the scenes are those for choosing thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from segment_anything.modeling import Sam

from backend.engine import ImageLabeler
from backend.geometry import clip_box, mask_iou, mask_to_box
from backend.models.registry import find_segmenter
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.box_on_nothing import has_object
from backend.values import Box, Mask, Prompt
from scripts.demo_world.evaluate import load_demo_sam
from scripts.demo_world.refusals import RIGHT_IOU, Figures, RefusalCounts, encode_scenes, run_evaluation
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene

UNSEEN = 40_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rule and its threshold were chosen."""
DEMO_MIN_SCORE = find_segmenter("demo").min_box_score
KINDS = ("background", "around an object", "moved", "loose", "part of an object")
MOVED, LOOSE = 0.1, 0.4  # of a side's length
EMPTY_BOXES, TRIES = 10, 400  # in each scene
SIDES = (0.05, 0.4)  # of the image's, of boxes on the background
MIN_SIDE = 4.0  # pixels


def boxes_of(scene: Scene, seed: int) -> Iterator[tuple[str, Box, Mask | None]]:
    """Yield the kind of each box in a scene, the box, and the object that it means."""
    rng = np.random.default_rng(seed)
    boxes: list[tuple[str, NDArray[np.float64], Mask | None]] = []
    for item in scene.objects:
        box = np.array(mask_to_box(item.mask), float)
        side = np.tile(box[2:] - box[:2], 2)
        boxes.append((KINDS[1], box, item.mask))
        boxes.append((KINDS[2], box + rng.uniform(-MOVED, MOVED, 4) * side, item.mask))
        boxes.append((KINDS[3], box + rng.uniform(0, LOOSE, 4) * side * [-1, -1, 1, 1], item.mask))
        corner = box[:2] + rng.integers(0, 2, 2) * side[:2] / 2
        boxes.append((KINDS[4], np.concatenate([corner, corner + side[:2] / 2]), item.mask))
    boxes += [(KINDS[0], box, None) for box in _empty_boxes(rng, scene)]
    for kind, box, meant in boxes:
        left, top, right, bottom = box.tolist()
        clipped = clip_box((left, top, right, bottom), scene.size)
        if clipped and min(clipped[2] - clipped[0], clipped[3] - clipped[1]) >= MIN_SIDE:
            yield kind, clipped, meant


def _empty_boxes(rng: np.random.Generator, scene: Scene) -> Iterator[NDArray[np.float64]]:
    objects = np.logical_or.reduce([item.mask for item in scene.objects])
    size, count = np.array([scene.size.width, scene.size.height], float), 0
    for _ in range(TRIES):
        sides = np.exp(rng.uniform(math.log(SIDES[0]), math.log(SIDES[1]), 2)) * size
        corner = rng.uniform(0, size - sides)
        (left, top), (right, bottom) = corner.astype(int), np.ceil(corner + sides).astype(int)
        if not objects[top:bottom, left:right].any():
            yield np.concatenate([corner, corner + sides])
            count += 1
        if count == EMPTY_BOXES:
            return


def measure_empty_boxes(
    renderer: str, sam: Sam, count: int, first: int = HELD_OUT_SEED + UNSEEN, min_score: float = DEMO_MIN_SCORE
) -> Figures:
    """Count the boxes of each kind, and the shares that are refused, refused though right, and answered right."""
    segmenter, counts = SamSegmenter(sam, device="cpu"), RefusalCounts("boxes")
    labeler, seeds = ImageLabeler(segmenter, None), range(first, first + count)
    for seed, scene, encoded in encode_scenes(renderer, segmenter, seeds, "boxes on nothing"):
        for kind, box, meant in boxes_of(scene, seed):
            candidate = labeler.segment(encoded, Prompt(box_xyxy=box))[0]
            is_right = meant is not None and mask_iou(candidate.mask, meant) >= RIGHT_IOU
            counts.add(kind, is_refused=not has_object(candidate, box, min_score), is_right=is_right)
    return counts.figures(KINDS)


def empty_boxes_line(figures: Figures) -> str:
    """Format the figures in one line."""
    parts = [
        f"{kind} {found['refused']:.2%} of {found['boxes']:.0f} (right {found['refused_though_right']:.2%}; "
        f"answered right {found['right']:.2%})"
        for kind, found in figures.items()
    ]
    return f"Boxes refused: {', '.join(parts)}."


def main(arguments: list[str] | None = None) -> None:
    def evaluate(renderer: str, scenes: int, first: int, min_score: float) -> str:
        return empty_boxes_line(measure_empty_boxes(renderer, load_demo_sam(), scenes, first, min_score))

    run_evaluation(evaluate, __doc__, UNSEEN, DEMO_MIN_SCORE, arguments)


if __name__ == "__main__":
    main()
