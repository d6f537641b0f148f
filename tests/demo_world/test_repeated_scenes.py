"""Scenes with several objects of a class."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.repeated_scenes import draw_repeated
from scripts.demo_world.scenes import HELD_OUT_SEED


@pytest.mark.parametrize("make_scene", [scenes.make_scene, second_renderer.make_scene])
@pytest.mark.parametrize("kind", [("red", "ring"), ("cyan", "crescent"), ("yellow", "square")])
def test_a_class_is_there_at_least_twice_among_others(make_scene, kind) -> None:
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + 3):
        scene = draw_repeated(make_scene, seed, kind)
        counts = Counter((item.colour, item.shape) for item in scene.objects)
        assert 2 <= counts[kind] <= 4
        assert len(scene.objects) - counts[kind] <= 4
        assert all(item.mask.any() for item in scene.objects)


@pytest.mark.parametrize("make_scene", [scenes.make_scene, second_renderer.make_scene])
def test_a_seed_draws_the_same_scene_and_another_one_another(make_scene) -> None:
    one, again, other = (draw_repeated(make_scene, HELD_OUT_SEED + add, ("blue", "star")) for add in (0, 0, 1))
    assert np.array_equal(one.pixels, again.pixels)
    assert not np.array_equal(one.pixels, other.pixels)


def test_a_shape_without_a_class_can_be_repeated() -> None:
    scene = draw_repeated(scenes.make_scene, HELD_OUT_SEED, ("green", "heart"))
    assert sum(item.class_name == "green heart" for item in scene.objects) >= 2
