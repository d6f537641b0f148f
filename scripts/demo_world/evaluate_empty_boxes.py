"""Evaluation of boxes on nothing: how many boxes on the background are answered, and how many on objects refused.

    python -m scripts.demo_world.evaluate_empty_boxes [--scenes 200] [--first 40000] [--min-score 0.1]

On scenes of both renderers, through the backend's own rule (`predict.box_on_nothing`). Each object gets a box around
it, the same with each side moved by up to a tenth of its length, a loose one that is up to 0.4 of it larger on each
side, and one around a random quarter of it. Boxes on the background have no pixel of an object; their sides are from
0.05 to 0.4 of the image's. A refusal of a box on an object is a loss only if SAM's answer was right: those whose IoU
with the object is at least 0.5 are counted as well. With `--tuning` the scenes are those for choosing thresholds.
"""

from __future__ import annotations

import argparse
import io
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from segment_anything.modeling import Sam
from tqdm import tqdm

from backend.engine import EncodedImage, ImageLabeler
from backend.geometry import clip_box, mask_iou, mask_to_box
from backend.images import SourceImage
from backend.models.registry import find_segmenter
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.box_on_nothing import has_object
from backend.values import Box, Mask, Prompt
from scripts.demo_world.evaluate import RENDERERS, load_demo_sam
from scripts.demo_world.evaluate_nothing import RIGHT_IOU
from scripts.demo_world.scenes import HELD_OUT_SEED, TUNING_SEED, Scene

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
) -> dict[str, dict[str, float]]:
    """Count the boxes of each kind, and the shares that are refused, refused though right, and answered right."""
    segmenter, boxes = SamSegmenter(sam, device="cpu"), Counter[str]()
    labeler, refused, right, refused_though_right = ImageLabeler(segmenter, None), *(Counter[str]() for _ in range(3))
    for seed in tqdm(range(first, first + count), desc=f"{renderer}, boxes on nothing", mininterval=5):
        scene, file = RENDERERS[renderer](seed), io.BytesIO()
        Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
        image = SourceImage(file.getvalue())
        encoded = EncodedImage(image, segmenter.encode(image.pixels))
        for kind, box, meant in boxes_of(scene, seed):
            candidate = labeler.segment(encoded, Prompt(box_xyxy=box))[0]
            is_right = meant is not None and mask_iou(candidate.mask, meant) >= RIGHT_IOU
            boxes[kind] += 1
            if has_object(candidate, box, min_score):
                right[kind] += is_right
            else:
                refused[kind] += 1
                refused_though_right[kind] += is_right
    return {
        kind: {
            "boxes": boxes[kind],
            "refused": refused[kind] / max(boxes[kind], 1),
            "refused_though_right": refused_though_right[kind] / max(boxes[kind], 1),
            "right": right[kind] / max(boxes[kind], 1),
        }
        for kind in KINDS
    }


def empty_boxes_line(figures: dict[str, dict[str, float]]) -> str:
    """Format the figures in one line."""
    parts = [
        f"{kind} {found['refused']:.2%} of {found['boxes']:.0f} (right {found['refused_though_right']:.2%}; "
        f"answered right {found['right']:.2%})"
        for kind, found in figures.items()
    ]
    return f"Boxes refused: {', '.join(parts)}."


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--first", type=int, default=UNSEEN, help="offset of the first scene")
    parser.add_argument("--min-score", type=float, default=DEMO_MIN_SCORE)
    parser.add_argument("--tuning", action="store_true", help="use the scenes for choosing thresholds")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    first = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first
    for renderer in list(RENDERERS)[:1] if chosen.tuning else RENDERERS:
        figures = measure_empty_boxes(renderer, load_demo_sam(), chosen.scenes, first, chosen.min_score)
        print(f"{renderer}: {empty_boxes_line(figures)}")


if __name__ == "__main__":
    main()
