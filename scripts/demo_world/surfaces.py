"""Backgrounds and textures of the demo world. Colours are float32 RGB in [0, 1]."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]  # (3,)
Field = NDArray[np.float32]  # (H, W)
Picture = NDArray[np.float32]  # (H, W, 3)

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
BACKGROUNDS = ("solid", "gradient", "clouds", "stripes", "checker", "grain", "wood", "bricks")

_HSV = {  # hue in degrees, saturation, value: each a range
    "red": ((-7, 7), (0.78, 1.0), (0.65, 0.95)),
    "orange": ((22, 34), (0.80, 1.0), (0.85, 1.0)),
    "yellow": ((50, 60), (0.70, 1.0), (0.82, 1.0)),
    "green": ((95, 145), (0.60, 1.0), (0.45, 0.85)),
    "cyan": ((174, 190), (0.60, 1.0), (0.72, 1.0)),
    "blue": ((214, 238), (0.70, 1.0), (0.60, 1.0)),
    "purple": ((264, 284), (0.55, 0.95), (0.45, 0.80)),
    "pink": ((318, 342), (0.32, 0.62), (0.90, 1.0)),
}


def hsv(hue_degrees: float, saturation: float, value: float) -> Colour:
    """Convert a colour to float32 RGB in [0, 1]."""
    return np.array(colorsys.hsv_to_rgb(hue_degrees / 360 % 1, saturation, value), np.float32)


def pick_colour(rng: np.random.Generator, name: str) -> Colour:
    """Pick a random colour of the given name."""
    return hsv(*(rng.uniform(*bounds) for bounds in _HSV[name]))


def _quiet_colour(rng: np.random.Generator) -> Colour:
    """Pick a background colour, mostly greyish, so that it rarely matches an object's."""
    return hsv(
        rng.uniform(0, 360),
        rng.choice([rng.uniform(0, 0.3), rng.uniform(0.2, 0.6)], p=[0.7, 0.3]),
        rng.uniform(0.15, 0.95),
    )


def _near(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """Pick a related colour: lighter or darker, slightly tinted."""
    step = rng.uniform(0.4, 1) * amount * rng.choice([-1, 1])
    if not 0.08 < float(colour.mean()) + step < 0.95:
        step = -step
    return np.clip(colour + step + rng.normal(0, 0.03, 3), 0, 1).astype(np.float32)


def smooth_noise(rng: np.random.Generator, width: int, height: int, cell: float, cell_y: float | None = None) -> Field:
    """Return smooth noise of about [-1, 1] with a period of `cell` pixels (vertically `cell_y`, if given)."""
    columns, rows = max(2, int(width / cell) + 2), max(2, int(height / (cell_y or cell)) + 2)
    grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def _slanted(rng: np.random.Generator, width: int, height: int, angle: float) -> Field:
    """Return the distance in pixels along a direction, with a random origin."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y[:, None] + np.float32(rng.uniform(0, 1000))


def _mix(amount: Field, first: Colour, second: Colour) -> Picture:
    return first + amount[..., None] * (second - first)


def _solid(rng: np.random.Generator, width: int, height: int) -> Picture:
    return np.broadcast_to(_quiet_colour(rng), (height, width, 3)).astype(np.float32)


def _gradient(rng: np.random.Generator, width: int, height: int) -> Picture:
    ramp = _slanted(rng, width, height, rng.uniform(0, 2 * np.pi))
    first = _quiet_colour(rng)
    return _mix((ramp - ramp.min()) / (np.ptp(ramp) + 1), first, _near(rng, first, 0.6))


def _clouds(rng: np.random.Generator, width: int, height: int) -> Picture:
    cell = max(width, height) * rng.uniform(0.1, 0.25)
    field = sum(smooth_noise(rng, width, height, cell / 2**k) * 0.55**k for k in range(4))
    first = _quiet_colour(rng)
    return _mix(np.clip(0.5 + 0.5 * field, 0, 1), first, _near(rng, first, 0.45))


def _stripes(rng: np.random.Generator, width: int, height: int) -> Picture:
    period = max(width, height) * rng.uniform(0.035, 0.13)
    wave = np.sin(_slanted(rng, width, height, rng.uniform(0, np.pi)) * np.float32(2 * np.pi / period))
    first = _quiet_colour(rng)
    return _mix(np.clip(0.5 + wave * rng.uniform(1, 6), 0, 1), first, _near(rng, first, 0.35))


def _checker(rng: np.random.Generator, width: int, height: int) -> Picture:
    size, angle = max(width, height) * rng.uniform(0.04, 0.12), rng.choice([0, rng.uniform(0, np.pi / 2)])
    one = np.floor(_slanted(rng, width, height, angle) / size)
    other = np.floor(_slanted(rng, width, height, angle + np.pi / 2) / size)
    first = _quiet_colour(rng)
    return _mix(((one + other) % 2).astype(np.float32), first, _near(rng, first, 0.35))


def _grain(rng: np.random.Generator, width: int, height: int) -> Picture:
    field = 0.6 * smooth_noise(rng, width, height, rng.uniform(2, 5)) + 0.5 * smooth_noise(rng, width, height, 1.5)
    first = _quiet_colour(rng)
    return _mix(np.clip(0.5 + field, 0, 1), first, _near(rng, first, 0.4))


def _wood(rng: np.random.Generator, width: int, height: int) -> Picture:
    size = max(width, height)
    bend = smooth_noise(rng, width, height, size * 0.5, size * 0.12) * size * 0.05
    lines = np.sin(
        (np.arange(height, dtype=np.float32)[:, None] + bend) * np.float32(2 * np.pi / (size * rng.uniform(0.02, 0.06)))
    )
    fibre = smooth_noise(rng, width, height, size * 0.08, 2)
    first = hsv(rng.uniform(18, 38), rng.uniform(0.25, 0.55), rng.uniform(0.3, 0.8))
    return _mix(np.clip(0.5 + 0.35 * lines + 0.3 * fibre, 0, 1), first, first * np.float32(rng.uniform(0.55, 0.8)))


def _bricks(rng: np.random.Generator, width: int, height: int) -> Picture:
    size = max(width, height)
    tall, gap = size * rng.uniform(0.045, 0.10), size * rng.uniform(0.005, 0.010)
    long = tall * rng.uniform(1.8, 2.6)
    y = np.arange(height, dtype=np.float32)[:, None] + rng.uniform(0, 99)
    row = np.floor(y / tall)
    x = np.arange(width, dtype=np.float32) + rng.uniform(0, 99) + (row % 2) * long / 2
    joint = ((y % tall) < gap) | ((x % long) < gap)
    tone = np.sin(np.floor(x / long) * 12.99 + row * 78.23) * np.float32(rng.uniform(0.02, 0.10))
    first = (
        hsv(rng.uniform(5, 35), rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.75))
        if rng.random() < 0.7
        else _quiet_colour(rng)
    )
    brick = np.clip(first + tone[..., None], 0, 1)
    return np.where(joint[..., None], _near(rng, first, 0.35), brick).astype(np.float32)


_PAINTERS: dict[str, Callable[[np.random.Generator, int, int], Picture]] = {
    "solid": _solid,
    "gradient": _gradient,
    "clouds": _clouds,
    "stripes": _stripes,
    "checker": _checker,
    "grain": _grain,
    "wood": _wood,
    "bricks": _bricks,
}


def paint_background(rng: np.random.Generator, name: str, width: int, height: int) -> Picture:
    """Paint a background without objects, float32 (height, width, 3) in [0, 1]."""
    return np.ascontiguousarray(_PAINTERS[name](rng, width, height), dtype=np.float32)


def _dots(rng: np.random.Generator, width: int, height: int, period: float) -> Field:
    angle = rng.uniform(0, np.pi / 2)
    one = np.sin(_slanted(rng, width, height, angle) * np.float32(2 * np.pi / period))
    other = np.sin(_slanted(rng, width, height, angle + np.pi / 2) * np.float32(2 * np.pi / period))
    return np.clip((one * other - 0.3) * 6, 0, 1)


def paint_object(rng: np.random.Generator, colour: Colour, width: int, height: int, radius: float) -> Picture:
    """Paint an object's surface, texture and shading, in a box of (height, width) pixels."""
    kind = rng.choice(["plain", "grain", "stripes", "dots", "cloudy"], p=[0.35, 0.2, 0.15, 0.12, 0.18])
    strength = rng.uniform(0.05, 0.16) * rng.choice([-1, 1])
    period = radius * rng.uniform(0.25, 0.6)
    light = np.ones((height, width), np.float32)
    if kind == "grain":
        light += smooth_noise(rng, width, height, rng.uniform(1.5, 4)) * strength
    elif kind == "stripes":
        wave = np.sin(_slanted(rng, width, height, rng.uniform(0, np.pi)) * np.float32(2 * np.pi / period))
        light += np.clip(wave * 3, -1, 1) * strength
    elif kind == "dots":
        light += _dots(rng, width, height, period * 1.3) * strength * 1.5
    elif kind == "cloudy":
        light += smooth_noise(rng, width, height, radius * rng.uniform(0.3, 0.8)) * strength
    ramp = _slanted(rng, width, height, rng.uniform(0, 2 * np.pi))
    light += (ramp - ramp.mean()) * np.float32(rng.uniform(0, 0.16) / radius)
    return np.clip(colour * light[..., None], 0, 1)
