"""Training samples for SAM: windows of scenes, and simulated user prompts with corrections."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry import mask_to_box
from scripts.demo_world.pool import Sample

Array = NDArray[np.float32]
_MIN_COVER = 75  # low-res pixels of an object that must be in a window


@dataclass(frozen=True)
class Window:
    """A square of the canvas: pixels (S, S, 3), covers (M, S/2, S/2), `inside` (S, S) false in the padding, offset."""

    pixels: NDArray[np.uint8]
    covers: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    offset: tuple[int, int]


@dataclass
class Prompts:
    """N prompts: coords (N, K, 2) on the canvas, labels (N, K), targets (N, S/2, S/2), `hit` false on background."""

    coords: Array
    labels: NDArray[np.int64]
    targets: Array
    hit: NDArray[np.bool_]


def augment(rng: np.random.Generator, sample: Sample) -> Sample:
    """Flip, transpose, permute colour channels, change contrast; image and masks alike."""
    pixels, covers, (height, width) = sample
    pixels, covers = pixels.copy(), covers.copy()
    for axis in (0, 1):
        if rng.random() < 0.5:
            view, masks = pixels[:height, :width], covers[:, : round(height / 2), : round(width / 2)]
            view[:] = np.flip(view, axis).copy()
            masks[:] = np.flip(masks, axis + 1).copy()
    if rng.random() < 0.35:
        pixels, covers, height, width = pixels.transpose(1, 0, 2), covers.transpose(0, 2, 1), width, height
    if rng.random() < 0.3:
        pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.3:
        pixels = cv2.convertScaleAbs(
            np.ascontiguousarray(pixels), alpha=rng.uniform(0.7, 1.25), beta=rng.uniform(0, 25)
        )
    return pixels, covers, (height, width)


def cut_window(rng: np.random.Generator, sample: Sample, size: int, patch: int = 8) -> Window:
    """Cut a window around a random object, or the whole canvas if `size` is its size."""
    pixels, covers, (height, width) = sample
    x = y = 0
    if size < pixels.shape[0]:
        rows, columns = np.nonzero(covers[rng.integers(len(covers))] > 127)
        x = _clamped(2 * columns.mean() - size / 2 + rng.uniform(-0.4, 0.4) * size, width - size, patch)
        y = _clamped(2 * rows.mean() - size / 2 + rng.uniform(-0.4, 0.4) * size, height - size, patch)
    inside = np.zeros((size, size), bool)
    inside[: max(0, height - y), : max(0, width - x)] = True
    low = covers[:, y // 2 : (y + size) // 2, x // 2 : (x + size) // 2]
    low = low[(low > 127).sum(axis=(1, 2)) >= _MIN_COVER]
    return Window(pixels[y : y + size, x : x + size], low, inside, (x, y))


def _clamped(value: float, highest: int, patch: int) -> int:
    return int(min(max(value, 0), max(highest, 0))) // patch * patch


def draw_prompts(rng: np.random.Generator, window: Window, count: int) -> Prompts:
    """Draw `count` prompts of two points each: one or two clicks, boxes, and a few clicks on the background."""
    size = window.covers.shape[-1] if len(window.covers) else len(window.inside) // 2
    result = Prompts(
        np.zeros((count, 2, 2), np.float32),
        np.full((count, 2), -1, np.int64),
        np.zeros((count, size, size), np.float32),
        np.zeros(count, bool),
    )
    order = rng.permutation(len(window.covers))
    for i in range(count):
        if not len(order) or rng.random() < 0.07:
            free = window.inside[::2, ::2] & ~(window.covers > 5).any(axis=0)
            result.coords[i, 0], result.labels[i, 0] = _random_point(rng, free), 1
            continue
        cover = window.covers[order[i % len(order)]]
        result.targets[i], result.hit[i] = cover / np.float32(255), True
        result.coords[i], result.labels[i] = _draw_prompt(rng, cover > 127)
    result.coords += np.float32(window.offset)
    return result


def _draw_prompt(rng: np.random.Generator, mask: NDArray[np.bool_]) -> tuple[Array, list[int]]:
    """Draw two points in pixels of the window, and their labels."""
    kind = rng.random()
    if kind < 0.36:
        return _noisy_box(rng, mask), [2, 3]
    first = _central_point(mask) if kind < 0.64 else _random_point(rng, mask)
    if kind < 0.9:
        return np.stack([first, np.zeros(2, np.float32)]), [1, -1]
    return np.stack([first, _random_point(rng, mask)]), [1, 1]


def _distance(mask: NDArray[np.bool_]) -> Array:
    return cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]


def _to_canvas(index: int, width: int, jitter: NDArray[np.float64]) -> Array:
    y, x = divmod(int(index), width)
    return (2 * (np.array([x, y]) + jitter) - 0.5).astype(np.float32)


def _central_point(mask: NDArray[np.bool_]) -> Array:
    return _to_canvas(_distance(mask).argmax(), mask.shape[1], np.full(2, 0.5))


def _random_point(rng: np.random.Generator, mask: NDArray[np.bool_]) -> Array:
    """Pick a point of the mask, preferably not on its border; the window's centre if the mask is empty."""
    inner = np.flatnonzero(_distance(mask) > 1.5)
    if not len(inner):
        inner = np.flatnonzero(mask)
    if not len(inner):
        return np.float32(mask.shape[::-1])
    return _to_canvas(rng.choice(inner), mask.shape[1], rng.random(2))


def _noisy_box(rng: np.random.Generator, mask: NDArray[np.bool_]) -> Array:
    """Return opposite corners of the mask's box, with small or large noise."""
    box = 2.0 * np.array(mask_to_box(mask)) - 0.5
    side = np.tile([box[2] - box[0], box[3] - box[1]], 2)
    noise = rng.normal(0, 0.5, 4) if rng.random() < 0.5 else rng.uniform(-0.08, 0.08, 4) * side
    return (box + noise).astype(np.float32).reshape(2, 2)


def correct(rng: np.random.Generator, prompts: Prompts, answers: NDArray[np.bool_], offsets: Array) -> Prompts:
    """Add a click where the answer (N, S/2, S/2) is wrong to each prompt; `offsets` (N, 2) of the windows."""
    extra, kinds = np.zeros((len(answers), 1, 2), np.float32), np.ones((len(answers), 1), np.int64)
    for i, (answer, target) in enumerate(zip(answers, prompts.targets > 0.5, strict=True)):
        wrong = answer ^ target
        if int(wrong.sum()) < 3:
            extra[i, 0] = _random_point(rng, target)
        else:
            missing, surplus = target & ~answer, answer & ~target
            add = rng.random() < missing.sum() / wrong.sum()
            region = missing if add else surplus
            extra[i, 0] = _central_point(region) if rng.random() < 0.5 else _random_point(rng, region)
            kinds[i] = int(add)
    extra += offsets[:, None]
    coords, labels = np.concatenate([extra, prompts.coords], axis=1), np.concatenate([kinds, prompts.labels], axis=1)
    return Prompts(coords, labels, prompts.targets, prompts.hit)
