"""The demo world: scenes with exact ground truth, drawn from a seed.

`make_scene(seed)` always draws the same scene. Training uses seeds below TUNING_SEED. Seeds from TUNING_SEED up to
HELD_OUT_SEED are for choosing thresholds and monitoring the training. Seeds from HELD_OUT_SEED on are held out for
measurements, tests and demo images.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.values import Mask, Pixels, Size
from scripts.demo_world.camera import cast_shadow, light_scene, photograph
from scripts.demo_world.shapes import (
    DEFAULT_MIN_RADIUS,
    EXTRA_SHAPES,
    MAX_RADIUS,
    MIN_RADIUS,
    SHAPES,
    draw_outline,
    make_outline,
)
from scripts.demo_world.surfaces import BACKGROUNDS, COLOURS, Picture, paint_background, paint_object, pick_colour

__all__ = [
    "BACKGROUNDS",
    "CLASS_NAMES",
    "COLOURS",
    "EXTRA_SHAPES",
    "HELD_OUT_SEED",
    "SHAPES",
    "TUNING_SEED",
    "Scene",
    "SceneObject",
]
__all__ += ["click_point", "make_scene"]

TUNING_SEED = 900_000_000
HELD_OUT_SEED = 1_000_000_000
CLASS_NAMES = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
DEFAULT_SIZE = Size(640, 480)
Kind = tuple[str, str]  # colour and shape

ATTEMPTS_PER_KIND = 10

_MIN_VISIBLE = 0.55  # share of the whole shape
_MIN_CONNECTED = 0.9  # share of the visible part that is in its largest component
_MIN_AREA = 300 / 256**2  # visible pixels, relative to a square of the image's longer side
_MIN_CONTRAST = 0.2  # Euclidean distance in RGB between an object and its surroundings


@dataclass(frozen=True)
class SceneObject:
    """An object: `mask` bool (H, W) is its visible part; `class_name` is "<colour> <shape>"."""

    mask: Mask
    colour: str
    shape: str

    @property
    def class_name(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """A photo of the demo world: `pixels` uint8 (H, W, 3), its objects from back to front, its background."""

    pixels: Pixels
    objects: tuple[SceneObject, ...]
    background: str

    @property
    def size(self) -> Size:
        return Size(self.pixels.shape[1], self.pixels.shape[0])


@dataclass
class _Canvas:
    """A scene being drawn; `shapes` are the whole masks, `visible` their parts not hidden by later objects."""

    picture: Picture
    shapes: list[Mask] = field(default_factory=list)
    visible: list[Mask] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)

    @property
    def longer_side(self) -> int:
        return max(self.picture.shape[:2])


def click_point(mask: Mask) -> tuple[float, float]:
    """Return the pixel (x, y) of the mask farthest from its border or the image's border."""
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(x), float(y)


def make_scene(
    seed: int,
    size: Size = DEFAULT_SIZE,
    *,
    objects: int | None = None,
    background: str | None = None,
    extra_shapes: bool = False,
    kinds: Sequence[Kind] = (),
) -> Scene:
    """Draw one scene.

    Args:
        seed: The same seed and options give the same pixels.
        size: Of the image, in pixels.
        objects: Number of objects to place; by default 2 to 8. Fewer are drawn if there is no room.
        background: One of BACKGROUNDS; by default a random one.
        extra_shapes: Also draw EXTRA_SHAPES, for training masks only.
        kinds: Colour and shape of each object, instead of random ones; one for which there is no room is left out.
    """
    rng = np.random.default_rng(seed)
    background = background or str(rng.choice(BACKGROUNDS))
    wanted = objects or int(rng.integers(2, 9))
    canvas = _Canvas(paint_background(rng, background, size.width, size.height))
    if kinds:
        _add_kinds(rng, canvas, kinds)
    for _ in range(0 if kinds else wanted * 4):
        if len(canvas.shapes) < wanted:
            _try_to_add(rng, canvas, _random_kind(rng, extra_shapes=extra_shapes))
    pixels = photograph(rng, light_scene(rng, canvas.picture))
    drawn = zip(canvas.visible, canvas.names, strict=True)
    return Scene(pixels, tuple(SceneObject(mask, colour, shape) for mask, (colour, shape) in drawn), background)


def _random_kind(rng: np.random.Generator, *, extra_shapes: bool) -> Kind:
    colour, shape = str(rng.choice(COLOURS)), str(rng.choice(SHAPES))
    if extra_shapes and rng.random() < 0.25:
        shape = str(rng.choice(EXTRA_SHAPES))
    return colour, shape


def _add_kinds(rng: np.random.Generator, canvas: _Canvas, kinds: Sequence[Kind]) -> None:
    """Draw objects of these kinds; those that do not fit are tried again, in turn."""
    pending = deque(kinds)
    for _ in range(ATTEMPTS_PER_KIND * len(kinds)):
        if not pending:
            return
        kind = pending.popleft()
        count = len(canvas.shapes)
        _try_to_add(rng, canvas, kind)
        if len(canvas.shapes) == count:
            pending.append(kind)


def _try_to_add(rng: np.random.Generator, canvas: _Canvas, kind: Kind) -> None:
    """Draw another object, unless it would hide too much, be hidden too much, or lack contrast."""
    colour, shape = kind
    height, width = canvas.picture.shape[:2]
    smallest = MIN_RADIUS.get(shape, DEFAULT_MIN_RADIUS)
    radius = canvas.longer_side * float(np.exp(rng.uniform(np.log(smallest), np.log(MAX_RADIUS))))
    centre = _pick_centre(rng, canvas, radius)
    left, top = max(0, int(centre[0] - 1.8 * radius)), max(0, int(centre[1] - 1.8 * radius))
    right, bottom = min(width, int(centre[0] + 1.8 * radius) + 1), min(height, int(centre[1] + 1.8 * radius) + 1)
    if right - left < 4 or bottom - top < 4:
        return
    box = np.s_[top:bottom, left:right]
    outline, angle = make_outline(rng, shape), rng.uniform(0, 2 * np.pi)
    whole = draw_outline(outline, (2 * radius, 2 * radius), radius, angle, int(4 * radius), int(4 * radius))
    cover = draw_outline(outline, (centre[0] - left, centre[1] - top), radius, angle, right - left, bottom - top)
    mask = cover >= 128
    rgb = pick_colour(rng, colour)
    if not _is_visible_enough(mask, int((whole >= 128).sum()), canvas.longer_side):
        return
    if not _leaves_others_visible(canvas, mask, box) or not _stands_out(canvas.picture[box], cover, rgb):
        return
    _draw(rng, canvas, box, cover, rgb, radius)
    for other in canvas.visible:
        other[box] &= ~mask
    full = np.zeros((height, width), bool)
    full[box] = mask
    canvas.shapes.append(full)
    canvas.visible.append(full.copy())
    canvas.names.append((colour, shape))


def _pick_centre(rng: np.random.Generator, canvas: _Canvas, radius: float) -> tuple[float, float]:
    """Pick a random point, sometimes beside an existing object, so that objects often overlap."""
    height, width = canvas.picture.shape[:2]
    if canvas.shapes and rng.random() < 0.3:
        x, y = click_point(canvas.shapes[int(rng.integers(len(canvas.shapes)))])
        angle, away = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.9, 1.7)
        return x + away * np.cos(angle), y + away * np.sin(angle)
    return rng.uniform(0, width), rng.uniform(0, height)


def _is_visible_enough(mask: Mask, whole_area: int, longer_side: int) -> bool:
    area = int(mask.sum())
    if area < _MIN_AREA * longer_side**2 or area < _MIN_VISIBLE * whole_area:
        return False
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return int(stats[1:, cv2.CC_STAT_AREA].max()) >= _MIN_CONNECTED * area


def _leaves_others_visible(canvas: _Canvas, mask: Mask, box: tuple[slice, slice]) -> bool:
    for shape, visible in zip(canvas.shapes, canvas.visible, strict=True):
        if not (visible[box] & mask).any():
            continue
        left = visible.copy()
        left[box] &= ~mask
        if not _is_visible_enough(left, int(shape.sum()), canvas.longer_side):
            return False
    return True


def _stands_out(around: Picture, cover: NDArray[np.uint8], rgb: NDArray[np.float32]) -> bool:
    """Return whether the object's colour contrasts with its surroundings along nearly all of its border."""
    border = cv2.dilate(cover, np.ones((5, 5), np.uint8)) - cv2.erode(cover, np.ones((3, 3), np.uint8)) > 0
    distance = np.linalg.norm(around[border] - rgb, axis=-1)
    return float((distance > _MIN_CONTRAST).mean()) > 0.93


def _draw(
    rng: np.random.Generator,
    canvas: _Canvas,
    box: tuple[slice, slice],
    cover: NDArray[np.uint8],
    rgb: NDArray[np.float32],
    radius: float,
) -> None:
    """Draw the object's shadow, surface and sometimes a dark outline."""
    picture = canvas.picture[box]
    if rng.random() < 0.5:
        cast_shadow(rng, picture, cover, radius)
    surface = paint_object(rng, rgb, cover.shape[1], cover.shape[0], radius)
    if rng.random() < 0.15:
        wide = max(1, int(radius * rng.uniform(0.03, 0.07))) * 2 + 1
        inner = cv2.erode(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide)))
        surface *= (0.65 + 0.35 * (inner.astype(np.float32) / 255))[..., None]
    alpha = (cover.astype(np.float32) / 255)[..., None]
    picture += alpha * (surface - picture)
