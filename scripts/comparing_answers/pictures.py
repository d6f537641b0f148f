"""Pictures of coloured shapes on a textured background, drawn from a seed; the demo models know such things.

They are drawn here and not by the demo's own painter, which belongs to what is compared.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "ellipse", "crescent")
COLOURS = {
    "red": (208, 28, 36),
    "orange": (245, 138, 18),
    "yellow": (236, 214, 40),
    "green": (38, 152, 60),
    "cyan": (28, 198, 214),
    "blue": (34, 70, 218),
    "purple": (118, 50, 172),
    "pink": (250, 140, 200),
}
BACKGROUNDS = ("gradient", "stripes", "checker", "grain")
SIZE = (640, 480)
NEIGHBOURS = range(4000, 4800, 8)  # pictures on which a circle and a square of another colour stand close together
NEIGHBOURS_APART = 2.0  # pixels
_SMOOTH = 4  # shapes are drawn so many times larger, then reduced
_COLUMNS, _ROWS = 3, 2

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thing:
    """One coloured shape; its middle and its radius in pixels of the picture."""

    colour: str
    shape: str
    x: float
    y: float
    radius: float

    @property
    def inside(self) -> Point:
        """A place well inside the shape: of a ring and a crescent it is left of the middle."""
        left = {"ring": 0.76, "crescent": 0.72}.get(self.shape, 0.0)
        return self.x - left * self.radius, self.y

    @property
    def inside_too(self) -> Point:
        """Another place inside, not nearly the same."""
        x, y = self.inside
        return (self.x, self.y + 0.76 * self.radius) if self.shape == "ring" else (x, y + 0.3 * self.radius)

    @property
    def outside(self) -> Point:
        """A place beside the shape, not in it."""
        return self.x + 1.12 * self.radius, self.y - 1.05 * self.radius

    def box(self, wider: float = 1.12) -> Box:
        """Left, top, right, bottom around the shape."""
        reach = wider * self.radius
        return self.x - reach, self.y - reach, self.x + reach, self.y + reach


@dataclass(frozen=True)
class Picture:
    """An encoded file, its size as it is shown, and what is on it; as a rule the first two things have one colour."""

    name: str
    data: bytes
    size: tuple[int, int]
    things: tuple[Thing, ...]


@lru_cache(maxsize=256)
def draw_picture(number: int) -> Picture:
    """Always the same picture for the same number."""
    rng = np.random.default_rng(10_000 + number)
    things = _place_things(rng, first_shape=number)
    things = _move_together(things) if number in NEIGHBOURS else things
    pixels = _paint_background(rng, BACKGROUNDS[number % len(BACKGROUNDS)])
    image = Image.fromarray(pixels)
    for thing in things:
        _paint_thing(image, thing)
    image = image.filter(ImageFilter.GaussianBlur(0.7))
    return Picture(f"picture-{number:03d}.png", encode(image), SIZE, things)


def encode(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    fast = {"compress_level": 1} if image_format == "PNG" else {}
    image.save(file, image_format, **(fast | options))
    return file.getvalue()


def _place_things(rng: np.random.Generator, first_shape: int) -> tuple[Thing, ...]:
    colours = [str(name) for name in rng.permutation(list(COLOURS))]
    cells = [(column, row) for row in range(_ROWS) for column in range(_COLUMNS)]
    width, height = SIZE[0] / _COLUMNS, SIZE[1] / _ROWS
    things = []
    for place, (column, row) in enumerate(cells):
        radius = float(rng.uniform(46, 76))
        spare_x, spare_y = width / 2 - 1.25 * radius, height / 2 - 1.25 * radius
        x = (column + 0.5) * width + float(rng.uniform(-1, 1)) * max(spare_x, 0)
        y = (row + 0.5) * height + float(rng.uniform(-1, 1)) * max(spare_y, 0)
        shape = SHAPES[(first_shape + place) % len(SHAPES)]
        things.append(Thing(colours[max(place - 1, 0)], shape, round(x, 2), round(y, 2), round(radius, 2)))
    return tuple(things)


def _move_together(things: tuple[Thing, ...]) -> tuple[Thing, ...]:
    circle, _, other, *others = things
    x = circle.x + circle.radius + 0.86 * other.radius + NEIGHBOURS_APART
    return (circle, replace(other, shape="square", x=x, y=circle.y), *others)


def _paint_background(rng: np.random.Generator, kind: str) -> NDArray[np.uint8]:
    width, height = SIZE
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    if kind == "gradient":
        field = (x + y) / (width + height)
    elif kind == "stripes":
        field = 0.5 + 0.5 * np.sin((x + 0.6 * y) / 9)
    elif kind == "checker":
        field = ((x // 40 + y // 40) % 2).astype(float)
    else:
        field = rng.uniform(0, 1, (height, width))
    first, second = rng.uniform(110, 150, 3), rng.uniform(150, 190, 3)
    noise = rng.normal(0, 3, (height, width, 1))
    return np.clip(first + field[..., None] * (second - first) + noise, 0, 255).astype(np.uint8)


def _paint_thing(image: Image.Image, thing: Thing) -> None:
    """Draw it larger on a square of its own, reduce that, and lay it on the picture."""
    left, top, side = int(thing.x - 1.2 * thing.radius), int(thing.y - 1.2 * thing.radius), int(2.4 * thing.radius) + 2
    cover = Image.new("L", (side * _SMOOTH, side * _SMOOTH), 0)
    pen = ImageDraw.Draw(cover)
    for outline, value in zip(_outline(thing.shape), (255, 0), strict=True):
        places = [(thing.x - left + x * thing.radius, thing.y - top + y * thing.radius) for x, y in outline]
        if places:
            pen.polygon([(x * _SMOOTH, y * _SMOOTH) for x, y in places], fill=value)
    image.paste(
        COLOURS[thing.colour], (left, top, left + side, top + side), cover.resize((side, side), Image.Resampling.BOX)
    )


def _outline(shape: str) -> tuple[list[Point], list[Point]]:
    """What is filled, and the hole that is cut out of it; the radius is 1."""
    outlines: dict[str, tuple[list[Point], list[Point]]] = {
        "circle": (_oval(1, 1), []),
        "square": ([(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)], []),
        "triangle": (_star(3, 1.1, 1.1)[::2], []),
        "star": (_star(5, 1.1, 0.55), []),
        "ring": (_oval(1, 1), _oval(0.5, 0.5)),
        "cross": (_cross(0.36), []),
        "ellipse": (_oval(1.1, 0.6), []),
        "crescent": (_oval(1.05, 1.05), _oval(0.8, 0.8, 0.55)),
    }
    return outlines[shape]


def _oval(across: float, down: float, x: float = 0.0) -> list[Point]:
    turns = [step / 72 * 2 * math.pi for step in range(72)]
    return [(x + across * math.cos(turn), down * math.sin(turn)) for turn in turns]


def _star(spikes: int, outer: float, inner: float) -> list[Point]:
    points = []
    for step in range(2 * spikes):
        turn, reach = -math.pi / 2 + step * math.pi / spikes, inner if step % 2 else outer
        points.append((reach * math.cos(turn), reach * math.sin(turn)))
    return points


def _cross(a: float) -> list[Point]:
    quarter = [(-a, -1.0), (a, -1.0), (a, -a)]
    turned = quarter
    points: list[Point] = []
    for _ in range(4):
        points += turned
        turned = [(-y, x) for x, y in turned]
    return points
