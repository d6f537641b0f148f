"""Outlines of the demo world's shapes. Unit size, centred on (0, 0), y downward."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "ellipse", "crescent")
EXTRA_SHAPES = ("blob", "hexagon", "heart", "half disc", "bar")
"""Drawn in training only, without a class: SAM must segment objects beyond the eight shapes."""

MIN_RADIUS = {
    "star": 0.076,
    "cross": 0.072,
    "crescent": 0.080,
    "ring": 0.072,
    "triangle": 0.072,
    "ellipse": 0.072,
    "bar": 0.09,
}
"""Minimum radius as a fraction of the image's longer side, for thin shapes that need more than DEFAULT_MIN_RADIUS."""
DEFAULT_MIN_RADIUS = 0.062  # 16 of 256 pixels
MAX_RADIUS = 0.17

Points = NDArray[np.float64]  # (N, 2), XY
Outline = tuple[Points, Points | None]  # filled polygon, and its hole
_CIRCLE = np.linspace(0, 2 * np.pi, 72, endpoint=False)


def _ellipse(width: float, height: float, x: float = 0.0, y: float = 0.0) -> Points:
    return np.stack([x + width * np.cos(_CIRCLE), y + height * np.sin(_CIRCLE)], axis=1)


def _regular(corners: int, radius: float = 1.0) -> Points:
    angles = -np.pi / 2 + np.arange(corners) * 2 * np.pi / corners
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle(rng: np.random.Generator) -> Outline:
    return _ellipse(1, 1), None


def _square(rng: np.random.Generator) -> Outline:
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.86, None


def _triangle(rng: np.random.Generator) -> Outline:
    return _regular(3, 1.12) * (1, rng.uniform(0.85, 1.1)), None


def _star(rng: np.random.Generator) -> Outline:
    points = _regular(10, 1.12)
    points[1::2] *= rng.uniform(0.44, 0.56)
    return points, None


def _ring(rng: np.random.Generator) -> Outline:
    inner = rng.uniform(0.42, 0.58)
    return _ellipse(1, 1), _ellipse(inner, inner)


def _cross(rng: np.random.Generator) -> Outline:
    a = rng.uniform(0.30, 0.40)
    points = [
        (-a, -1),
        (a, -1),
        (a, -a),
        (1, -a),
        (1, a),
        (a, a),
        (a, 1),
        (-a, 1),
        (-a, a),
        (-1, a),
        (-1, -a),
        (-a, -a),
    ]
    return np.array(points, dtype=float), None


def _oval(rng: np.random.Generator) -> Outline:
    return _ellipse(1.15, 1.15 * rng.uniform(0.45, 0.62)), None


def _crescent(rng: np.random.Generator) -> Outline:
    bite = rng.uniform(0.74, 0.84)
    return _ellipse(1.05, 1.05), _ellipse(bite, bite, x=rng.uniform(0.52, 0.62))


def _blob(rng: np.random.Generator) -> Outline:
    radius = np.ones_like(_CIRCLE)
    for waves in (2, 3, 4, 5):
        radius += rng.normal(0, 0.32 / waves) * np.cos(waves * _CIRCLE + rng.uniform(0, 6.3))
    return np.clip(radius, 0.45, 1.5)[:, None] * _ellipse(1, 1), None


def _hexagon(rng: np.random.Generator) -> Outline:
    return _regular(int(rng.integers(5, 9))) * (1, rng.uniform(0.7, 1)), None


def _heart(rng: np.random.Generator) -> Outline:
    t = _CIRCLE
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y - 2], axis=1) / 15, None


def _half_disc(rng: np.random.Generator) -> Outline:
    half = _ellipse(1.1, 1.1)[: len(_CIRCLE) // 2 + 1]
    return half - (0, 0.45), None


def _bar(rng: np.random.Generator) -> Outline:
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (1.25, rng.uniform(0.3, 0.5)), None


_OUTLINES: dict[str, Callable[[np.random.Generator], Outline]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "ellipse": _oval,
    "crescent": _crescent,
    "blob": _blob,
    "hexagon": _hexagon,
    "heart": _heart,
    "half disc": _half_disc,
    "bar": _bar,
}


def _place(points: Points, centre: tuple[float, float], radius: float, angle: float) -> NDArray[np.int32]:
    """Rotate, scale and translate, to 1/16 pixels for cv2 with shift=4."""
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return np.round(((points @ turn) * radius + centre) * 16).astype(np.int32)


def make_outline(rng: np.random.Generator, shape: str) -> Outline:
    """Draw a random outline of the shape; proportions vary."""
    return _OUTLINES[shape](rng)


def draw_outline(
    outline: Outline, centre: tuple[float, float], radius: float, angle: float, width: int, height: int
) -> NDArray[np.uint8]:
    """Return the shape's coverage of each pixel: uint8 (height, width), 255 inside, antialiased."""
    filled, hole = outline
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [_place(filled, centre, radius, angle)], 255, cv2.LINE_AA, 4)
    if hole is not None:
        cv2.fillPoly(cover, [_place(hole, centre, radius, angle)], 0, cv2.LINE_AA, 4)
    return cover
