"""Draw the mask sets: objects of the demo world, their borders moved by blurred noise.

    python -m scripts.measuring.mask_sets.draw

The first set has the objects as they are. In the others each pixel's distance to the border is changed by Gaussian
noise, so that the third has ragged edges, specks and holes, as quick brush strokes and raw model output have.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.geometry import signed_distance
from backend.label_studio.results import encode_brush
from backend.values import Mask, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, make_scene
from scripts.measuring.mask_sets import FOLDER, MASK_SETS

SEED = HELD_OUT_SEED + 7000
FULL_HD = Size(1920, 1080)
OBJECTS = 4
NOISE = {"3k": (0.0, 1.0), "5k": (5.0, 2.0), "13k": (9.5, 1.0)}  # pixels of standard deviation, and of blur


def draw_masks(name: str) -> list[Mask]:
    """Draw the masks of a set."""
    rng = np.random.default_rng(SEED)
    deviation, blur = NOISE[name]
    objects = make_scene(SEED, FULL_HD).objects
    return [_move_border(one.mask, deviation, blur, rng) for one in objects[:OBJECTS]]


def _move_border(mask: Mask, deviation: float, blur: float, rng: np.random.Generator) -> Mask:
    noise = cv2.GaussianBlur(rng.standard_normal(mask.shape), (0, 0), blur)
    moved: Mask = signed_distance(mask) + deviation * noise / noise.std() > 0
    return moved


def main() -> None:
    """Draw and save all sets."""
    for name in MASK_SETS:
        masks = draw_masks(name)
        for number, mask in enumerate(masks, start=1):
            bilevel = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9]
            cv2.imwrite(str(FOLDER / f"{name}-{number}.png"), mask.astype(np.uint8) * 255, bilevel)
        print(f"{name}: {np.mean([len(encode_brush(mask)) for mask in masks]):,.0f} integers a mask")


if __name__ == "__main__":
    main()
