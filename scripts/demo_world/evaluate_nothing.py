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
from collections import Counter
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from segment_anything.modeling import Sam
from tqdm import tqdm

from backend.errors import BadPrompt
from backend.geometry import mask_iou
from backend.models.registry import find_segmenter
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.click_on_nothing import check_object
from backend.values import Candidate, Mask, Prompt
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


def is_refused(candidate: Candidate, click: Prompt, min_score: float) -> bool:
    """Whether a click with this answer is refused."""
    try:
        check_object(candidate, click, min_score)
    except BadPrompt:
        return True
    return False


def measure_nothing(
    renderer: str, sam: Sam, count: int, first: int = HELD_OUT_SEED + UNSEEN, min_score: float = DEMO_MIN_SCORE
) -> dict[str, dict[str, float]]:
    """Count the clicks of each kind on `count` scenes, and the shares that are refused and refused though right."""
    segmenter, clicks = SamSegmenter(sam, device="cpu"), Counter[str]()
    refused, refused_though_right = Counter[str](), Counter[str]()
    for seed in tqdm(range(first, first + count), desc=f"{renderer}, clicks on nothing", mininterval=5):
        scene = RENDERERS[renderer](seed)
        embedding = segmenter.encode(scene.pixels)
        for kind, (x, y) in clicks_of(scene, seed):
            click = Prompt(((x + 0.5, y + 0.5),), (1,))
            answer = segmenter.decode(embedding, click, max_masks=1)[0]
            clicks[kind] += 1
            if is_refused(answer, click, min_score):
                refused[kind] += 1
                clicked = [item.mask for item in scene.objects if item.mask[y, x]]
                refused_though_right[kind] += any(mask_iou(answer.mask, mask) >= RIGHT_IOU for mask in clicked)
    return {
        kind: {
            "clicks": clicks[kind],
            "refused": refused[kind] / max(clicks[kind], 1),
            "refused_though_right": refused_though_right[kind] / max(clicks[kind], 1),
        }
        for kind in KINDS
    }


def nothing_line(figures: dict[str, dict[str, float]]) -> str:
    """Format the figures in one line."""
    parts = [f"{kind} {found['refused']:.2%} of {found['clicks']:.0f}" for kind, found in figures.items()]
    right = " and ".join(f"{figures[kind]['refused_though_right']:.2%}" for kind in KINDS[2:])
    return f"Clicks refused: {', '.join(parts)}; on objects though the mask was right {right}."


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
