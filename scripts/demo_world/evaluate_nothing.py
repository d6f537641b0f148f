"""Evaluation of clicks on nothing: how many clicks on the background are answered, and how many on objects refused.

    python -m scripts.demo_world.evaluate_nothing [--scenes 200] [--first 30000] [--min-score 0.5]

On scenes of both renderers, through the backend's own rule (`predict.click_on_nothing`). In each scene clicks fall on
random pixels of the background farther than `NEAR_PIXELS` from every object, on random pixels nearer than that, on the
middle of each object and on a random pixel of it, its border included. A refusal of a click on an object is a loss only
if SAM's answer was right: those whose IoU with the object is at least 0.5 are counted as well. With `--tuning` the
scenes are those for choosing thresholds.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from PIL import Image
from segment_anything.modeling import Sam
from tqdm import tqdm

from backend.engine import EncodedImage, ImageLabeler
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.models.registry import find_segmenter
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.click_on_nothing import find_object
from backend.values import Mask, Prompt
from scripts.demo_world.evaluate import RENDERERS, load_demo_sam
from scripts.demo_world.scenes import HELD_OUT_SEED, TUNING_SEED, Scene, click_point

UNSEEN = 30_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rule and its threshold were chosen."""
NEAR_PIXELS = 6.0
FAR_CLICKS, NEAR_CLICKS = 10, 5  # in each scene
DEMO_MIN_SCORE = find_segmenter("demo").min_click_score
KINDS = ("background", "near an object", "middle of an object", "anywhere on an object")
RIGHT_IOU = 0.5
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
) -> dict[str, dict[str, float]]:
    """Count the clicks of each kind, and the shares that are refused, refused though right, and answered right."""
    segmenter, clicks = SamSegmenter(sam, device="cpu"), Counter[str]()
    labeler, refused, right, refused_though_right = ImageLabeler(segmenter, None), *(Counter[str]() for _ in range(3))
    for seed in tqdm(range(first, first + count), desc=f"{renderer}, clicks on nothing", mininterval=5):
        scene, file = RENDERERS[renderer](seed), io.BytesIO()
        Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
        image = SourceImage(file.getvalue())
        encoded = EncodedImage(image, segmenter.encode(image.pixels))
        for kind, (x, y) in clicks_of(scene, seed):
            point = (x + 0.5, y + 0.5)
            found = find_object(labeler, encoded, point, min_score)
            clicked = [item.mask for item in scene.objects if item.mask[y, x]]
            clicks[kind] += 1
            if found is None:
                refused[kind] += 1
                alone = labeler.segment(encoded, Prompt((point,), (1,)))[0].mask
                refused_though_right[kind] += any(mask_iou(alone, mask) >= RIGHT_IOU for mask in clicked)
            else:
                right[kind] += any(mask_iou(found.candidate.mask, mask) >= RIGHT_IOU for mask in clicked)
    return {
        kind: {
            "clicks": clicks[kind],
            "refused": refused[kind] / max(clicks[kind], 1),
            "refused_though_right": refused_though_right[kind] / max(clicks[kind], 1),
            "right": right[kind] / max(clicks[kind], 1),
        }
        for kind in KINDS
    }


def nothing_line(figures: dict[str, dict[str, float]]) -> str:
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--first", type=int, default=UNSEEN, help="offset of the first scene")
    parser.add_argument("--min-score", type=float, default=DEMO_MIN_SCORE)
    parser.add_argument("--tuning", action="store_true", help="use the scenes for choosing thresholds")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    first = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first
    for renderer in list(RENDERERS)[:1] if chosen.tuning else RENDERERS:
        figures = measure_nothing(renderer, load_demo_sam(), chosen.scenes, first, chosen.min_score)
        print(f"{renderer}: {nothing_line(figures)}")


if __name__ == "__main__":
    main()
