"""Evaluate what becomes of a detector's boxes: masks by the demo SAM, labels and classes, on held-out scenes.

    python -m scripts.demo_world.evaluate_boxes [--scenes 40]

A stand-in for a detector knows the scenes and returns the true box of each object that a text names, each side moved
by up to a share of the box's width or height. Each scene is searched for the classes of all its objects and for some
that are not in it, with the demo project's labeling config. Reported over all objects: the IoU of the mask that has
the object's class and covers it best, 0 without one; and over all masks: how many have a label or class of another
object.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from backend.engine import EncodedImage, ImageLabeler
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindText
from backend.label_studio.results import LabeledRegion
from backend.models.registry import DEMO_CLIP, DEMO_SAM
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.image_answers import ImageAnswers
from backend.projects import DEFAULTS
from backend.values import Box, Detection, Mask, Pixels
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.evaluate import DEMO_PROPOSAL, RENDERERS, load_demo_clip, load_demo_sam
from scripts.demo_world.scenes import CLASS_NAMES, HELD_OUT_SEED, Scene

FIRST = 9000  # scenes from here on are used only here
ABSENT = 4  # classes that are not in a scene and are searched for
NOISES = (0.0, 0.05, 0.1)  # of the box's width and height, by which a side may be moved
LABEL_CONFIG = Path(__file__).parents[2] / "label_config.xml"
SAME_OBJECT = 0.5  # IoU with an object from which a mask is one of it


@dataclass
class SceneDetector:
    """Detector that knows the scenes and returns true boxes with noise.

    Attributes:
        noise: Share of the box's width or height by which each side is moved at most.
    """

    noise: float
    device: str = "cpu"
    _scenes: dict[str, tuple[int, Scene]] = field(default_factory=dict)

    def learn(self, pixels: Pixels, scene: Scene, seed: int) -> None:
        """Remember what is in an image."""
        self._scenes[_digest(pixels)] = seed, scene

    def check_texts(self, texts: Sequence[str]) -> None:
        """Read any text."""

    def detect(self, pixels: Pixels, texts: Sequence[str], *, min_score: float | None = None) -> list[Detection]:
        """Return a box for each object whose class is one of the texts, best score first."""
        seed, scene = self._scenes[_digest(pixels)]
        rng = np.random.default_rng(seed)
        found = [
            Detection(self._move(true_box(item.mask), pixels.shape, rng), float(rng.uniform(0.3, 1)), item.class_name)
            for item in scene.objects
            if item.class_name in texts
        ]
        return sorted(found, key=lambda one: -one.score)

    def _move(self, box: Box, shape: tuple[int, ...], rng: np.random.Generator) -> Box:
        left, top, right, bottom = box
        sides = np.array([right - left, bottom - top] * 2) * self.noise
        moved = np.array(box) + rng.uniform(-1, 1, 4) * sides
        low, high = np.zeros(4), np.array([shape[1], shape[0]] * 2)
        left, top, right, bottom = np.clip(moved, low, high).tolist()
        return left, top, right, bottom


@dataclass
class BoxFigures:
    """IoU of each object with the best mask of its class, and the masks with labels or classes of other objects."""

    ious: list[float] = field(default_factory=list)
    masks: int = 0
    wrong: int = 0

    @property
    def mean_iou(self) -> float:
        return float(np.mean(self.ious))

    def add(self, scene: Scene, regions: Sequence[LabeledRegion]) -> None:
        """Count the regions of a scene."""
        self.masks += len(regions)
        named = [(region, region.choices.get("class", ("",))[0]) for region in regions]
        for item in scene.objects:
            own = [mask_iou(region.mask, item.mask) for region, name in named if name == item.class_name]
            self.ious.append(max(own, default=0.0))
        for region, name in named:
            covered = [item for item in scene.objects if mask_iou(region.mask, item.mask) >= SAME_OBJECT]
            self.wrong += not any(item.class_name == name and item.colour == region.label for item in covered)


def true_box(mask: Mask) -> Box:
    """Return the smallest box around a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def measure(make_scene: Callable[[int], Scene], seeds: Sequence[int], noise: float) -> BoxFigures:
    """Search the scenes of these seeds for the classes of their objects and for some others."""
    (config,) = parse_labeling_config(LABEL_CONFIG.read_text(encoding="utf-8")).images
    segmenter = SamSegmenter(load_demo_sam(DEMO_SAM), device="cpu", encoder_dtype="float32")
    detector, figures = SceneDetector(noise), BoxFigures()
    labeler = ImageLabeler(segmenter, load_demo_clip(DEMO_CLIP), detector)
    answers = ImageAnswers(labeler, DEMO_PROPOSAL)
    for seed in tqdm(seeds, mininterval=5, desc="scenes"):
        scene = make_scene(seed)
        image = SourceImage(encode_png(scene))
        detector.learn(image.pixels, scene, seed)
        encoded = EncodedImage(image, segmenter.encode(image.pixels))
        request = FindText(choose_texts(scene, seed))
        figures.add(scene, answers.find_text(encoded, request, config, DEFAULTS).regions)
    return figures


def choose_texts(scene: Scene, seed: int) -> tuple[str, ...]:
    """Return the classes of a scene's objects and some that are not in it."""
    present = dict.fromkeys(item.class_name for item in scene.objects)
    others = [name for name in CLASS_NAMES if name not in present]
    absent = np.random.default_rng(seed).choice(others, ABSENT, replace=False)
    return (*present, *map(str, absent))


def _digest(pixels: Pixels) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def main(arguments: list[str] | None = None) -> None:
    """Parse the options, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=40)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    first = HELD_OUT_SEED + FIRST
    lines = [
        "| renderer | sides moved by up to | objects | mean IoU | IoU below 0.5 | masks | wrong |",
        "|" + "---|" * 7,
    ]
    for renderer, make_scene in RENDERERS.items():
        for noise in NOISES:
            found = measure(make_scene, range(first, first + chosen.scenes), noise)
            poor = sum(iou < SAME_OBJECT for iou in found.ious)
            counts = f"{len(found.ious)} | {found.mean_iou:.3f} | {poor} | {found.masks} | {found.wrong}"
            lines.append(f"| {renderer} | {noise:.0%} | {counts} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
