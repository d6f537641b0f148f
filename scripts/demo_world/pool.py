"""A pool of drawn scenes at SAM's input size, in shards on disk, so that training does not wait for drawing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from segment_anything.utils.transforms import ResizeLongestSide

from backend.models.sam.architectures import DEMO_IMAGE_SIZE
from backend.values import Size
from scripts.demo_world.scenes import TUNING_SEED, Scene, make_scene

SHARD = 200
_CANVAS, _LOW = DEMO_IMAGE_SIZE, DEMO_IMAGE_SIZE // 2
_SIZES = [Size(640, 480)] * 6 + [Size(480, 640)] * 2 + [Size(512, 384)] * 4 + [Size(400, 300)] * 4
_SIZES += [Size(384, 512), Size(400, 400), Size(640, 360), Size(800, 600), Size(512, 512)]

Sample = tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[int, int]]
"""Pixels (256, 256, 3), each object's coverage of low-res pixels (M, 128, 128), unpadded (height, width)."""


def training_seed(base_seed: int, index: int) -> int:
    """Return the seed of a run's `index`-th training scene, which is never a tuning or held-out seed."""
    seed = base_seed * 1_000_000 + index
    if not 0 <= seed < TUNING_SEED:
        raise ValueError(
            f"Seed {base_seed} leads to scene {seed}, which must be from 0 to {TUNING_SEED - 1}; choose 0 to 899."
        )
    return seed


def training_scene(base_seed: int, index: int) -> Scene:
    """Draw a scene to train masks on: of various sizes, with EXTRA_SHAPES."""
    seed = training_seed(base_seed, index)
    return make_scene(seed, _SIZES[seed * 7919 % len(_SIZES)], extra_shapes=True)


def scene_to_sample(scene: Scene) -> Sample:
    """Resize the image as SAM does, and masks to half of that, as exact area fractions."""
    pixels = ResizeLongestSide(_CANVAS).apply_image(scene.pixels)
    height, width = pixels.shape[:2]
    canvas = np.zeros((_CANVAS, _CANVAS, 3), np.uint8)
    canvas[:height, :width] = pixels
    covers = np.zeros((len(scene.objects), _LOW, _LOW), np.uint8)
    for cover, item in zip(covers, scene.objects, strict=True):
        small = cv2.resize(
            item.mask.astype(np.uint8) * 255, (round(width / 2), round(height / 2)), interpolation=cv2.INTER_AREA
        )
        cover[: small.shape[0], : small.shape[1]] = small
    return canvas, covers, (height, width)


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"scenes_{number:04d}.npz"


def write_pool(folder: Path, base_seed: int, shards: int) -> None:
    """Draw all missing shards in order. Meant for a low-priority process beside the training."""
    os.nice(10)
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        if _shard_path(folder, number).exists():
            continue
        samples = [scene_to_sample(training_scene(base_seed, number * SHARD + i)) for i in range(SHARD)]
        partial = folder / f"partial_{os.getpid()}.npz"
        np.savez(
            partial,
            pixels=np.stack([s[0] for s in samples]),
            covers=np.concatenate([s[1] for s in samples]),
            counts=np.array([len(s[1]) for s in samples]),
            sizes=np.array([s[2] for s in samples]),
        )
        partial.rename(_shard_path(folder, number))


class Pool:
    """Reader of the shards, in memory (about 0.25 MB per scene); waits for shards that are still being drawn."""

    def __init__(self, folder: Path, shards: int, *, is_alive: Callable[[], bool] = lambda: True) -> None:
        self._folder, self._shards, self._is_alive = folder, shards, is_alive
        self._loaded: dict[int, list[Sample]] = {}

    def __len__(self) -> int:
        return self._shards * SHARD

    def __getitem__(self, index: int) -> Sample:
        number, place = divmod(index % len(self), SHARD)
        if number not in self._loaded:
            self._loaded[number] = self._load(number)
        return self._loaded[number][place]

    def _load(self, number: int) -> list[Sample]:
        path = _shard_path(self._folder, number)
        while not path.exists():
            if not self._is_alive() and not path.exists():
                raise RuntimeError(f"The process that draws {path} has exited; delete {self._folder} and start again.")
            time.sleep(0.5)
        with np.load(path) as data:
            ends = np.cumsum(data["counts"])
            covers = np.split(data["covers"], ends[:-1])
            sizes = [(int(h), int(w)) for h, w in data["sizes"]]
            return list(zip(data["pixels"], covers, sizes, strict=True))
