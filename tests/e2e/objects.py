"""The objects of the held-out world that the browser tests click on, and photos as cameras store them."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from backend.geometry import mask_to_box
from backend.values import Mask, Pixels
from scripts.demo_circle.targets import Target, click_scenes, find_targets, touches_border
from scripts.demo_world.scenes import SHAPES, Scene, SceneObject, click_point

KEYS = dict(zip(("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"), "12345678", strict=True))
NO_LABEL = ""  # instead of a key: CLIP chooses the label
ORIENTATION = 0x0112  # EXIF tag
TURN_CLOCKWISE = 6


def two_of_each_shape() -> list[Target]:
    """The first two objects of each of the eight shapes, over consecutive held-out scenes, in their order.

    Nothing of the result goes into the choice; objects that the image's border cuts are left out.
    """
    number, chosen = 0, []
    while len(chosen) < 2 * len(SHAPES):
        number += 1
        (name,) = click_scenes(number).keys() - click_scenes(number - 1).keys()
        for target in find_targets({name: click_scenes(number)[name]}):
            if Counter(one.shape for one in chosen)[target.shape] < 2:
                chosen.append(target)
    return chosen


def largest_targets(scene: str, count: int) -> list[Target]:
    """The largest objects of one of the first eight scenes that the border does not cut."""
    targets = find_targets({scene: click_scenes(8)[scene]})
    return sorted(targets, key=lambda target: -int(target.mask.sum()))[:count]


def find_target(scene: str, class_name: str) -> Target:
    """The one object of that colour and shape in one of the first ten scenes."""
    (found,) = (one for one in find_targets({scene: click_scenes(10)[scene]}) if one.class_name == class_name)
    return found


def objects_inside(scene: Scene) -> list[SceneObject]:
    """The objects of a scene that its border does not cut, largest first."""
    inside = [one for one in scene.objects if not touches_border(one.mask)]
    return sorted(inside, key=lambda one: -int(one.mask.sum()))


def middle(mask: Mask) -> tuple[float, float]:
    """The point of a mask that is farthest from its border, in the middle of its pixel."""
    x, y = click_point(mask)
    return x + 0.5, y + 0.5


def corners(mask: Mask) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners of the tight box, between which a person drags."""
    left, top, right, bottom = mask_to_box(mask)
    return (left, top), (right, bottom)


def encode_jpeg(pixels: Pixels) -> bytes:
    """A JPEG file as a camera writes it, upright."""
    return _jpeg(pixels, Image.Exif())


def encode_turned_jpeg(pixels: Pixels) -> bytes:
    """A photo from a phone that was held upright: stored lying on its side, with the EXIF note how to turn it."""
    exif = Image.Exif()
    exif[ORIENTATION] = TURN_CLOCKWISE
    return _jpeg(np.ascontiguousarray(np.rot90(pixels)), exif)


def _jpeg(pixels: Pixels, exif: Image.Exif) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def scenes_of(targets: Sequence[Target]) -> list[str]:
    """The scenes' names, each once, in order."""
    return list(dict.fromkeys(target.scene for target in targets))
