"""The demo world draws what it says: same seed, same scene; masks that are where the colours are; nothing left out."""

from __future__ import annotations

import colorsys
from functools import cache

import cv2
import numpy as np
import pytest

from backend.values import Size
from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.pool import training_seed
from scripts.demo_world.scenes import BACKGROUNDS, CLASS_NAMES, COLOURS, HELD_OUT_SEED, SHAPES, TUNING_SEED, click_point

RENDERERS = pytest.mark.parametrize("make_scene", [scenes.make_scene, second_renderer.make_scene])
DRAWN_ONCE = pytest.mark.parametrize("make_scene", [cache(scenes.make_scene), cache(second_renderer.make_scene)])
HUES = {"red": 0, "orange": 28, "yellow": 53, "green": 122, "cyan": 184, "blue": 228, "purple": 274, "pink": 331}


def _hue_gap(rgb: np.ndarray, colour: str) -> float:
    """Degrees between a colour's hue and the one its name stands for."""
    hue = colorsys.rgb_to_hsv(*(rgb / 255))[0] * 360
    return abs((hue - HUES[colour] + 180) % 360 - 180)


@RENDERERS
def test_a_seed_always_draws_the_same_scene(make_scene) -> None:
    one, again = make_scene(HELD_OUT_SEED + 7), make_scene(HELD_OUT_SEED + 7)
    assert np.array_equal(one.pixels, again.pixels)
    assert one.background == again.background
    assert [o.class_name for o in one.objects] == [o.class_name for o in again.objects]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(one.objects, again.objects, strict=True))


@DRAWN_ONCE
def test_another_seed_draws_another_scene(make_scene) -> None:
    assert not np.array_equal(make_scene(HELD_OUT_SEED).pixels, make_scene(HELD_OUT_SEED + 1).pixels)


@RENDERERS
@pytest.mark.parametrize("size", [Size(640, 480), Size(300, 420), Size(512, 512)])
def test_pixels_and_masks_have_the_size_asked_for(make_scene, size: Size) -> None:
    scene = make_scene(HELD_OUT_SEED + 3, size)
    assert scene.pixels.shape == (size.height, size.width, 3)
    assert scene.pixels.dtype == np.uint8
    assert all(o.mask.shape == (size.height, size.width) and o.mask.dtype == bool for o in scene.objects)


@DRAWN_ONCE
def test_visible_parts_do_not_overlap(make_scene) -> None:
    for i in range(6):
        assert np.sum([o.mask for o in make_scene(HELD_OUT_SEED + i).objects], axis=0).max() == 1


@DRAWN_ONCE
def test_under_each_mask_lies_the_colour_that_its_name_says(make_scene) -> None:
    gaps = []
    for i in range(10):
        scene = make_scene(HELD_OUT_SEED + i)
        gaps += [_hue_gap(np.median(scene.pixels[o.mask], axis=0), o.colour) for o in scene.objects]
    assert len(gaps) > 30
    assert max(gaps) < 30
    assert np.mean(gaps) < 10


@DRAWN_ONCE
def test_a_mask_ends_where_its_object_ends(make_scene) -> None:
    """Just outside a mask the picture is of another colour than just inside, along nearly all borders."""
    differences = []
    for i in range(6):
        scene = make_scene(HELD_OUT_SEED + i)
        for item in scene.objects:
            mask = item.mask.astype(np.uint8)
            inner = (
                item.mask & (cv2.erode(mask, np.ones((13, 13), np.uint8)) == 0) & (cv2.erode(mask, np.ones((5, 5))) > 0)
            )
            outer = (cv2.dilate(mask, np.ones((13, 13), np.uint8)) > 0) & (cv2.dilate(mask, np.ones((5, 5))) == 0)
            gap = scene.pixels[outer].mean(axis=0) - scene.pixels[inner].mean(axis=0)
            differences.append(float(np.linalg.norm(gap)))
    assert np.mean(np.array(differences) > 30) > 0.95


@DRAWN_ONCE
def test_every_object_can_be_seen(make_scene) -> None:
    for i in range(10):
        for item in make_scene(HELD_OUT_SEED + i).objects:
            assert item.mask.sum() * (256 / 640) ** 2 >= 200  # at the small SAM's 256 pixels


@RENDERERS
def test_held_out_scenes_cover_every_background_colour_and_shape_and_overlap(make_scene) -> None:
    drawn = [make_scene(HELD_OUT_SEED + i, Size(320, 240)) for i in range(60)]
    assert {s.background for s in drawn} == set(BACKGROUNDS)
    assert {o.colour for s in drawn for o in s.objects} == set(COLOURS)
    assert {o.shape for s in drawn for o in s.objects} == set(SHAPES)
    assert all(o.class_name in CLASS_NAMES for s in drawn for o in s.objects)
    touching = [
        bool((cv2.dilate(a.mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)[b.mask].any())
        for s in drawn
        for a in s.objects
        for b in s.objects
        if a is not b
    ]
    assert sum(touching) > 20


def test_the_number_of_objects_and_the_background_can_be_asked_for() -> None:
    scene = scenes.make_scene(HELD_OUT_SEED + 1, objects=3, background="wood")
    assert (len(scene.objects), scene.background) == (3, "wood")


def test_sixty_four_class_names_pair_every_colour_with_every_shape() -> None:
    assert len(set(CLASS_NAMES)) == 64
    assert CLASS_NAMES[0] == "red circle"
    assert CLASS_NAMES[-1] == "pink crescent"


@pytest.mark.parametrize("seed", [0, 1, 899])
@pytest.mark.parametrize("index", [0, 12_000, 999_999])
def test_training_never_uses_a_tuning_or_held_out_seed(seed: int, index: int) -> None:
    assert training_seed(seed, index) < TUNING_SEED < HELD_OUT_SEED


@pytest.mark.parametrize("seed", [900, 1000, -1])
def test_a_training_seed_that_would_reach_the_held_out_scenes_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=f"Seed {seed} leads to scene .* choose 0 to 899"):
        training_seed(seed, 5)


def test_the_click_point_of_a_rectangle_is_on_its_middle_line() -> None:
    mask = np.zeros((50, 80), bool)
    mask[10:31, 20:61] = True  # 21 rows, 41 columns: the farthest pixels are in row 20
    x, y = click_point(mask)
    assert y == 20
    assert 30 <= x <= 50


def test_the_click_point_of_a_ring_is_on_the_ring() -> None:
    y, x = np.mgrid[:101, :101]
    radius = np.hypot(x - 50, y - 50)
    ring = (radius < 40) & (radius > 20)
    px, py = click_point(ring)
    assert ring[int(py), int(px)]
    assert np.hypot(px - 50, py - 50) == pytest.approx(30, abs=1.5)


def test_the_border_of_the_image_counts_as_a_border() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:21, :21] = True
    assert click_point(mask) == (10.0, 10.0)
