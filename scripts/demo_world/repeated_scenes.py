"""Scenes with several objects of one class among others that share its colour or its shape."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from scripts.demo_world.scenes import COLOURS, SHAPES, Kind, Scene

MIN_REPEATS, MAX_REPEATS = 3, 4  # objects of the class that are placed; two may be left at the least
OTHERS = 4
SEED_STEP = 1000  # between the attempts at one scene


def draw_repeated(make_scene: Callable[..., Scene], seed: int, kind: Kind) -> Scene:
    """Draw a scene with at least two objects of a kind.

    The others: one of the same colour, one of the same shape, and two random ones, all of another kind.

    Args:
        make_scene: A renderer.
        seed: The same seed gives the same scene. A scene without room for two objects is drawn again.
        kind: Colour and shape; the shape may be one of EXTRA_SHAPES for the first renderer.
    """
    colour, shape = kind
    for attempt in count():
        own_seed = seed + attempt * SEED_STEP
        rng = np.random.default_rng((own_seed, 0x51))
        same_colour = [(colour, other) for other in SHAPES if other != shape]
        same_shape = [(other, shape) for other in COLOURS if other != colour]
        neither = [(other, form) for other in COLOURS for form in SHAPES if (other, form) != kind]
        others = [_pick(rng, choices) for choices in (same_colour, same_shape, neither, neither)]
        kinds = [kind] * int(rng.integers(MIN_REPEATS, MAX_REPEATS + 1)) + others
        scene = make_scene(own_seed, kinds=[kinds[place] for place in rng.permutation(len(kinds))])
        if sum((item.colour, item.shape) == kind for item in scene.objects) >= 2:
            return scene
    raise AssertionError("unreachable")


def _pick(rng: np.random.Generator, kinds: list[Kind]) -> Kind:
    return kinds[int(rng.integers(len(kinds)))]
