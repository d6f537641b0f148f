"""A second renderer of the demo world, to check that the models do not overfit to the first one.

Shapes are signed distances instead of polygons, drawn at twice the size and scaled down; backgrounds, textures, light,
shadows and noise are generated differently. It shares class names and values with `scenes`, but no drawing code.
Nothing is trained or tuned on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.values import Mask, Size
from scripts.demo_world.scenes import ATTEMPTS_PER_KIND, BACKGROUNDS, COLOURS, SHAPES, Kind, Scene, SceneObject

Grid = NDArray[np.float32]

_RGB = {  # two extremes of each colour; an object's colour lies between them
    "red": ((196, 18, 24), (232, 40, 34)),
    "orange": ((240, 120, 12), (252, 148, 40)),
    "yellow": ((238, 214, 20), (252, 234, 84)),
    "green": ((30, 130, 50), (70, 190, 60)),
    "cyan": ((20, 190, 205), (90, 225, 235)),
    "blue": ((24, 50, 190), (50, 100, 235)),
    "purple": ((95, 30, 150), (140, 60, 190)),
    "pink": ((240, 120, 180), (252, 170, 205)),
}
_MUTED = (
    (236, 232, 222),
    (58, 62, 70),
    (150, 160, 150),
    (196, 178, 150),
    (120, 96, 80),
    (88, 104, 124),
    (208, 214, 222),
    (30, 30, 34),
)


def _polygon_distance(x: Grid, y: Grid, corners: NDArray[np.float64]) -> Grid:
    """Return the signed distance, negative inside: distance to the nearest edge, sign by the even-odd rule."""
    distance, inside = np.full(x.shape, np.inf, np.float32), np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        t = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0, 1)
        distance = np.minimum(distance, np.hypot(x - ax - t * ex, y - ay - t * ey))
        crosses = (ay > y) != (by > y)
        inside ^= crosses & (x < ex * (y - ay) / (ey if ey else 1e-9) + ax)
    return np.where(inside, -distance, distance).astype(np.float32)


def _distance(shape: str, x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """Approximate the signed distance to a shape of unit radius."""
    r = np.hypot(x, y)
    if shape == "circle":
        return r - 1
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.85
    if shape == "ring":
        wide = rng.uniform(0.21, 0.28)
        return np.abs(r - (1 - wide)) - wide
    if shape == "ellipse":
        flat = rng.uniform(0.46, 0.6)
        return (np.hypot(x / 1.15, y / (1.15 * flat)) - 1) * flat
    if shape == "crescent":
        bite = rng.uniform(0.75, 0.83)
        return np.maximum(r - 1.05, bite - np.hypot(x - rng.uniform(0.54, 0.6), y))
    if shape == "cross":
        arm = rng.uniform(0.31, 0.38)
        return np.minimum(np.maximum(np.abs(x) - 1, np.abs(y) - arm), np.maximum(np.abs(y) - 1, np.abs(x) - arm))
    if shape == "triangle":
        turns = np.radians([-90, 30, 150])
        return _polygon_distance(x, y, 1.1 * np.stack([np.cos(turns), np.sin(turns)], axis=1))
    turns = np.radians(-90 + 36 * np.arange(10))
    radii = np.where(np.arange(10) % 2, rng.uniform(0.46, 0.54) * 1.12, 1.12)
    return _polygon_distance(x, y, radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1))


def _value_noise(rng: np.random.Generator, x: Grid, y: Grid, period: float) -> Grid:
    """Return smooth noise in [-1, 1], a sum of plane waves with random directions."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for _ in range(5):
        turn, length = rng.uniform(0, 2 * np.pi), period * rng.uniform(0.6, 1.8)
        total += np.sin(
            (x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / length) + rng.uniform(0, 6.3), dtype=np.float32
        )
    return total / 3


def _two_tones(rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Pick two related colours, (3,) each, 0 to 255."""
    tone = np.float32(_MUTED[rng.integers(len(_MUTED))]) + rng.normal(0, 10, 3).astype(np.float32)
    other = tone + np.float32(rng.uniform(25, 70)) * (1 if tone.mean() < 128 else -1)
    return np.clip(tone, 5, 250), np.clip(other, 5, 250)


def _background(rng: np.random.Generator, kind: str, width: int, height: int) -> Grid:
    """Paint a background, float32 (height, width, 3), 0 to 255."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    longer = max(width, height)
    one, two = _two_tones(rng)
    if kind == "solid":
        amount = np.zeros_like(x)
    elif kind == "gradient":
        middle = rng.uniform(0, 1, 2) * (width, height)
        amount = np.minimum(np.hypot(x - middle[0], y - middle[1]) / longer, 1) * 1.6
    elif kind == "clouds":
        amount = 0.5 + sum(_value_noise(rng, x, y, longer * s) * s * 1.6 for s in (0.3, 0.12, 0.06))
    elif kind == "stripes":
        turn, period = rng.uniform(0, np.pi), longer * rng.uniform(0.05, 0.12)
        amount = (((x * np.cos(turn) + y * np.sin(turn)) % period) < period * rng.uniform(0.35, 0.6)).astype(np.float32)
    elif kind == "checker":
        size = longer * rng.uniform(0.05, 0.11)
        amount = ((x // size + y // size) % 2).astype(np.float32)
    elif kind == "grain":
        amount = cv2.blur(rng.random((height, width), np.float32), (3, 3)) * 2.2 - 0.6
    elif kind == "wood":
        one, two = np.float32((150, 105, 66)), np.float32((108, 70, 40))
        rings = (
            np.hypot((x - rng.uniform(0, width)) * 0.12, y - rng.uniform(-2, 3) * height) / longer * rng.uniform(30, 60)
        )
        amount = 0.5 + 0.5 * np.sin(rings + _value_noise(rng, x * 0.2, y, longer * 0.1) * 1.5)
    else:
        one, two = np.float32((150, 78, 60)) + rng.normal(0, 14, 3).astype(np.float32), np.float32((196, 190, 180))
        tall = longer * rng.uniform(0.05, 0.09)
        shifted = x + np.where((y // tall) % 2 > 0, tall, 0)
        amount = (((y % tall) < 4) | ((shifted % (2 * tall)) < 4)).astype(np.float32)
    return one + np.clip(amount, 0, 1)[..., None] * (two - one)


def _surface(rng: np.random.Generator, colour: str, x: Grid, y: Grid, radius: float) -> Grid:
    """Paint an object's surface: plain, mottled, hatched or with a highlight."""
    low, high = np.float32(_RGB[colour])
    base = low + np.float32(rng.random()) * (high - low)
    light = np.ones(x.shape, np.float32)
    kind = rng.integers(4)
    if kind == 1:
        light += 0.10 * _value_noise(rng, x, y, radius * 0.7)
    elif kind == 2:
        light += 0.10 * np.sign(np.sin((x + y * rng.uniform(-1, 1)) * (2 * np.pi / (radius * rng.uniform(0.25, 0.5)))))
    elif kind == 3:
        light += 0.22 * np.exp(-((x + radius * 0.35) ** 2 + (y + radius * 0.35) ** 2) / (0.4 * radius**2))
    return base * light[..., None]


def make_scene(
    seed: int, size: Size = Size(640, 480), *, objects: int | None = None, kinds: Sequence[Kind] = ()
) -> Scene:
    """Draw one scene; see `scenes.make_scene` for the arguments. The same seed gives another scene there."""
    rng = np.random.default_rng((seed, 0x2ED))
    background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    picture = _background(rng, background, size.width, size.height)
    owner = np.full((size.height, size.width), -1, np.int32)
    names: list[Kind] = []
    areas: list[int] = []
    wanted = objects or int(rng.integers(2, 9))
    pending = deque(kinds)
    for _ in range(ATTEMPTS_PER_KIND * len(kinds) if kinds else 5 * wanted):
        if kinds and pending:
            count, kind = len(names), pending.popleft()
            _add(rng, picture, owner, names, areas, kind)
            pending.extend([kind] if len(names) == count else ())
        elif not kinds and len(names) < wanted:
            _add(rng, picture, owner, names, areas, None)
    pixels = _develop(rng, picture)
    drawn = tuple(SceneObject(owner == i, colour, shape) for i, (colour, shape) in enumerate(names))
    return Scene(pixels, drawn, background)


def _add(
    rng: np.random.Generator,
    picture: Grid,
    owner: NDArray[np.int32],
    names: list[Kind],
    areas: list[int],
    kind: Kind | None,
) -> None:
    """Draw another object of this or a random kind, unless it does not fit."""
    height, width = owner.shape
    shape, colour = SHAPES[int(rng.integers(8))], COLOURS[int(rng.integers(8))]
    if kind is not None:
        colour, shape = kind
    radius = max(width, height) * rng.uniform(0.075, 0.16)
    middle, turn = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0, 2 * np.pi)
    box = _box_around(middle, 1.5 * radius, width, height)
    if box is None:
        return
    below, ids = picture[box], owner[box]
    y, x = np.mgrid[2 * box[0].start : 2 * box[0].stop, 2 * box[1].start : 2 * box[1].stop].astype(np.float32) / 2
    x, y = x + 0.25 - np.float32(middle[0]), y + 0.25 - np.float32(middle[1])
    u, v = (x * np.cos(turn) + y * np.sin(turn)) / radius, (y * np.cos(turn) - x * np.sin(turn)) / radius
    fine = (_distance(shape, u, v, rng) < 0).astype(np.float32)
    alpha = cv2.resize(fine, (ids.shape[1], ids.shape[0]), interpolation=cv2.INTER_AREA)
    mask = alpha >= 0.5
    surface = _surface(rng, colour, x[::2, ::2], y[::2, ::2], radius)
    if not _fits(mask, owner, box, areas, radius) or not _differs(below, surface, mask):
        return
    if rng.random() < 0.4:
        shade = cv2.GaussianBlur(np.roll(alpha, (int(radius * 0.1), int(radius * 0.1)), (0, 1)), (0, 0), radius * 0.12)
        below *= 1 - 0.35 * shade[..., None]
    below += alpha[..., None] * (surface - below)
    ids[mask] = len(names)
    names.append((colour, shape))
    areas.append(int(mask.sum()))


def _box_around(middle: NDArray[np.float64], reach: float, width: int, height: int) -> tuple[slice, slice] | None:
    """Return the rows and columns within `reach` of the centre; None if it is near the border or outside."""
    x, y = middle
    if min(x, y, width - x, height - y) < 0.25 * reach:
        return None
    rows = slice(max(0, int(y - reach)), min(height, int(y + reach) + 1))
    return rows, slice(max(0, int(x - reach)), min(width, int(x + reach) + 1))


def _fits(mask: Mask, owner: NDArray[np.int32], box: tuple[slice, slice], areas: list[int], radius: float) -> bool:
    """Return whether the mask is large enough and leaves most of every object below it visible."""
    if mask.sum() < 0.75 * radius**2:
        return False
    hidden = np.bincount(owner[box][mask] + 1, minlength=len(areas) + 1)[1:]
    left = np.bincount(owner.ravel() + 1, minlength=len(areas) + 1)[1:] - hidden
    return all(left[i] > 0.6 * area for i, area in enumerate(areas) if hidden[i])


def _differs(picture: Grid, surface: Grid, mask: Mask) -> bool:
    rim = (cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0) & ~mask
    gap = np.linalg.norm(picture[rim] - surface[mask].mean(axis=0), axis=-1)
    return float((gap > 50).mean()) > 0.93


def _develop(rng: np.random.Generator, picture: Grid) -> NDArray[np.uint8]:
    """Apply light falloff, gamma, sensor noise that grows with brightness, and sometimes WebP compression."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    lamp = rng.uniform(0, 1, 2) * (width, height)
    fall = 1.08 - 0.3 * np.hypot(x - lamp[0], y - lamp[1]) / max(width, height)
    lit = np.clip(picture * fall[..., None], 0, 255)
    lit = 255 * (lit / 255) ** np.float32(rng.uniform(0.88, 1.12))
    if rng.random() < 0.5:
        lit = cv2.blur(lit, (3, 3))
    lit = lit + rng.standard_normal(lit.shape, np.float32) * (1 + np.sqrt(lit) * np.float32(rng.uniform(0, 0.5)))
    pixels = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, encoded = cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, int(rng.integers(55, 95))])
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
    return np.ascontiguousarray(pixels)
