"""Held-out scenes of the demo world, and the objects to click in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count

import cv2

from backend.values import Mask
from scripts.demo_world.scenes import BACKGROUNDS, HELD_OUT_SEED, SHAPES, Scene, click_point, make_scene

CLICK_SCENES = 12
PREANNOTATED_SCENES = 12
MIN_OBJECTS = 10
_PREANNOTATED_FROM = 500


@dataclass(frozen=True)
class Target:
    """An object to click: the point, and the expected mask, label and class."""

    scene: str
    colour: str
    shape: str
    mask: Mask
    x: float
    y: float

    @property
    def class_name(self) -> str:
        return f"{self.colour} {self.shape}"


def click_scenes(how_many: int = CLICK_SCENES) -> dict[str, Scene]:
    """Draw the scenes of the first project, by file name; the first eight have all eight backgrounds."""
    return dict(click_scene(number) for number in range(how_many))


def preannotated_scenes(how_many: int = PREANNOTATED_SCENES) -> dict[str, Scene]:
    """Draw other scenes for the second project."""
    return dict(click_scene(number) for number in range(_PREANNOTATED_FROM, _PREANNOTATED_FROM + how_many))


def encode_png(scene: Scene) -> bytes:
    """Encode the scene as PNG."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2BGR))[1].tobytes())


def find_targets(scenes: Mapping[str, Scene]) -> list[Target]:
    """List the objects of all scenes, except those cut by the image border, whose shape is ambiguous."""
    return [target for name, scene in scenes.items() for target in _targets(name, scene)]


def scenes_to_check() -> dict[str, Scene]:
    """Draw click scenes until they contain every shape and ten objects."""
    scenes: dict[str, Scene] = {}
    for number in count():
        scenes.update([click_scene(number)])
        targets = find_targets(scenes)
        if len(targets) >= MIN_OBJECTS and {target.shape for target in targets} == set(SHAPES):
            return scenes
    raise AssertionError("unreachable: count() does not end")


@cache
def click_scene(number: int) -> tuple[str, Scene]:
    """Draw a scene and name its file; cached."""
    background = BACKGROUNDS[number % len(BACKGROUNDS)]
    return f"scene-{number:03d}.png", make_scene(HELD_OUT_SEED + number, background=background)


def _targets(name: str, scene: Scene) -> Iterator[Target]:
    for thing in scene.objects:
        if touches_border(thing.mask):
            continue
        x, y = click_point(thing.mask)
        yield Target(name, thing.colour, thing.shape, thing.mask, x, y)


def touches_border(mask: Mask) -> bool:
    """Return whether the object touches the image border."""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
