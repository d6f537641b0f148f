"""Training images of the demo's CLIP: the backend's crops under masks like SAM's, and whole images."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from tqdm import tqdm

from backend.geometry import mask_to_box
from backend.models.clip.crop import crop_for_clip
from backend.values import Mask, Size
from scripts.demo_world.pool import training_seed
from scripts.demo_world.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene, click_point, make_scene
from scripts.demo_world.surfaces import smooth_noise

FIRST_INDEX = 500_000
"""CLIP and SAM are trained on different scenes."""


@dataclass(frozen=True)
class Crops:
    """N crops (N, S, S, 3) with the indices of their colours and shapes; whole images with their backgrounds'."""

    pixels: NDArray[np.uint8]
    colours: NDArray[np.int64]
    shapes: NDArray[np.int64]
    images: NDArray[np.uint8]
    backgrounds: NDArray[np.int64]


def rough_mask(rng: np.random.Generator, mask: Mask, image_side: int) -> Mask:
    """Roughen a mask like a small SAM's: 128 cells, noisy borders, sometimes an extra or a missing piece.

    `mask` may be a part of an image whose longer side is `image_side` pixels.
    """
    height, width = mask.shape
    scale = 128 / image_side
    low = cv2.resize(mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    low = cv2.GaussianBlur(low, (0, 0), rng.uniform(0.3, 1.6))
    low += smooth_noise(rng, low.shape[1], low.shape[0], rng.uniform(3, 8)) * np.float32(rng.uniform(0, 0.45))
    if rng.random() < 0.15:
        rows, columns = np.nonzero(low > 0.4)
        if len(rows):
            i = int(rng.integers(len(rows)))
            cv2.circle(low, (int(columns[i]), int(rows[i])), int(rng.integers(2, 6)), float(rng.integers(2)), -1)
    rough = cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return rough if rough.any() else mask


def around(mask: Mask) -> tuple[slice, slice]:
    """Return rows and columns with the mask and more context than a crop needs, for speed."""
    left, top, right, bottom = mask_to_box(mask)
    margin = (max(right - left, bottom - top) - 1) // 2 + 8
    return slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)


def whole_image(scene: Scene, side: int) -> NDArray[np.uint8]:
    """Return the centre square at `side` pixels, as open_clip's evaluation transform does."""
    height, width = scene.pixels.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    small = cv2.resize(scene.pixels, size, interpolation=cv2.INTER_AREA)
    y, x = (small.shape[0] - side) // 2, (small.shape[1] - side) // 2
    return small[y : y + side, x : x + side]


def clicked_masks(predictor: SamPredictor, scene: Scene) -> list[list[Mask]]:
    """Return SAM's two best masks for a click on each object; a mask with an IoU up to 0.5 becomes the true mask."""
    predictor.set_image(scene.pixels)
    points = np.array([[click_point(item.mask)] for item in scene.objects], np.float32)
    coords = torch.from_numpy(predictor.transform.apply_coords(points, scene.pixels.shape[:2])).float()
    masks, scores, _ = predictor.predict_torch(coords, torch.ones(len(points), 1), multimask_output=True)
    answers = []
    for item, candidates, order in zip(scene.objects, masks.numpy(), scores.argsort(descending=True), strict=True):
        chosen = [candidates[int(i)] for i in order[:2]]
        answers.append([m if (m & item.mask).sum() > 0.5 * (m | item.mask).sum() else item.mask for m in chosen])
    return answers


def draw_crops(base_seed: int, scenes: int, side: int, sam: Sam | None = None) -> Crops:
    """Draw scenes and crop every object several times: with its true mask and rough ones, or with masks of `sam`."""
    pixels, colours, shapes, images, backgrounds = [], [], [], [], []
    predictor, size = (SamPredictor(sam), Size(480, 360)) if sam else (None, Size(640, 480))
    first = FIRST_INDEX + (0 if sam is None else FIRST_INDEX // 2)
    for index in tqdm(range(scenes), desc="scenes for CLIP", mininterval=5):
        seed = training_seed(base_seed, first + index)
        scene, rng = make_scene(seed, size), np.random.default_rng((seed, 1))
        images.append(whole_image(scene, side))
        backgrounds.append(BACKGROUNDS.index(scene.background))
        truths = [item.mask for item in scene.objects]
        masks = clicked_masks(predictor, scene) if predictor else [_true_and_rough(rng, mask) for mask in truths]
        for item, several in zip(scene.objects, masks, strict=True):
            pixels += [crop_for_clip(scene.pixels[place], m[place], side) for m in several for place in [around(m)]]
            colours += [COLOURS.index(item.colour)] * len(several)
            shapes += [SHAPES.index(item.shape)] * len(several)
    return Crops(np.stack(pixels), np.array(colours), np.array(shapes), np.stack(images), np.array(backgrounds))


def _true_and_rough(rng: np.random.Generator, mask: Mask) -> list[Mask]:
    """Return a mask and two roughened versions."""
    place = around(mask)
    masks = [mask]
    for _ in range(2):
        rough = np.zeros_like(mask)
        rough[place] = rough_mask(rng, mask[place], max(mask.shape))
        masks.append(rough)
    return masks


def join(one: Crops, other: Crops) -> Crops:
    """Concatenate the crops of both."""
    names = ("pixels", "colours", "shapes", "images", "backgrounds")
    return Crops(*[np.concatenate([getattr(one, name), getattr(other, name)]) for name in names])


def take(crops: Crops, count: int) -> Crops:
    """Keep the first `count` crops and all images."""
    chosen = (crops.pixels[:count], crops.colours[:count], crops.shapes[:count])
    return Crops(*chosen, crops.images, crops.backgrounds)
