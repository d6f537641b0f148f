"""What CLIP sees of an object: the square around it, the blur, the border, parts that do not count."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.errors import BadPrompt
from backend.models.clip import crop as crop_module
from backend.models.clip.crop import central_part, crop_for_clip, crop_masks
from scripts.demo_world.scenes import make_scene


def test_the_crop_keeps_the_object_and_blurs_the_rest() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[::2, ::2] = 255  # a fine pattern, which a blur turns grey
    mask = np.zeros((100, 100), bool)
    mask[40:60, 40:60] = True
    crop = crop_for_clip(pixels, mask, 24)  # 20 pixels and 10 % on each side make 24: nothing is scaled
    assert np.array_equal(crop[4:20, 4:20], pixels[42:58, 42:58])
    assert np.ptp(crop[0].astype(int)) < 40
    assert crop[0].mean() > 30


def test_a_crop_over_the_border_repeats_the_border() -> None:
    pixels = np.full((50, 50, 3), (200, 10, 10), np.uint8)
    mask = np.zeros((50, 50), bool)
    mask[:10, :40] = True
    assert (crop_for_clip(pixels, mask, 32) == (200, 10, 10)).all()


def test_a_stray_part_does_not_widen_the_crop_but_an_equal_one_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (100, 100, 3)).astype(np.uint8)
    mask = np.zeros((100, 100), bool)
    mask[10:30, 10:30] = True
    alone = crop_for_clip(pixels, mask, 24)
    mask[80:92, 80:92] = True  # 144 of 400 pixels
    assert np.array_equal(crop_for_clip(pixels, mask, 24), alone)
    mask[75:95, 75:95] = True
    assert not np.array_equal(crop_for_clip(pixels, mask, 24), alone)


def test_an_empty_mask_has_no_crop() -> None:
    with pytest.raises(BadPrompt, match="The mask is empty"):
        crop_for_clip(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), bool), 8)


def test_the_crop_of_a_strip_is_made_in_little_memory() -> None:
    """Its square would be 78,642 pixels wide, 18 GB."""
    pixels = np.full((1, 65_535, 3), (200, 10, 10), np.uint8)
    pixels[:, :32_768] = (10, 10, 200)
    crop = crop_for_clip(pixels, np.ones((1, 65_535), bool), 32)
    assert crop.shape == (32, 32, 3)
    assert np.abs(crop[:, 4].astype(int) - (10, 10, 200)).max() < 15
    assert np.abs(crop[:, -5].astype(int) - (200, 10, 10)).max() < 15


@pytest.mark.parametrize("box", [(20, 280, 10, 40), (0, 30, 0, 390), (200, 300, 300, 400), (0, 300, 0, 400)])
def test_a_crop_by_way_of_a_smaller_image_is_nearly_the_same(
    box: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, columns = np.mgrid[:300, :400]
    pixels = np.stack([rows * 0.8, columns * 0.6, (rows + columns) * 0.3], axis=2).astype(np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    direct = crop_for_clip(pixels, mask, 24).astype(int)
    monkeypatch.setattr(crop_module, "MAX_CROP_SIDE", 100)
    monkeypatch.setattr(crop_module, "_REDUCED_SIDE", 96)
    assert np.abs(crop_for_clip(pixels, mask, 24) - direct).mean() < 4


def test_a_long_image_is_cut_to_its_middle_and_any_other_is_left() -> None:
    strip = np.arange(100, dtype=np.uint8).reshape(1, 100, 1).repeat(3, axis=2)
    assert central_part(strip)[0, :, 0].tolist() == list(range(42, 58))
    assert central_part(strip.transpose(1, 0, 2))[:, 0, 0].tolist() == list(range(42, 58))
    assert central_part(strip[:, :16]).shape == (1, 16, 3)


@pytest.mark.parametrize("side", [16, 64, 224, 336])
def test_the_blur_of_a_large_crop_is_nearly_opencvs_and_that_of_a_small_one_is_opencvs(side: int) -> None:
    scene = make_scene(3).pixels[:480, :480]
    corner, edge = np.zeros((side, side, 3), np.uint8), np.zeros((side, side, 3), np.uint8)
    corner[: side // 9, : side // 9] = edge[:, side // 2 :] = 255
    for crop in (cv2.resize(scene, (side, side)), corner, edge):
        exact = cv2.GaussianBlur(crop, (0, 0), side * crop_module.BLUR).astype(int)
        differences = np.abs(crop_module._blur(crop, side * crop_module.BLUR) - exact)
        assert differences.max() <= (0 if side <= 64 else 6)
        assert differences.mean() <= 0.5


def test_the_crops_of_several_masks_are_those_of_each() -> None:
    pixels = make_scene(4).pixels
    masks = [item.mask for item in make_scene(4).objects]
    crops = crop_masks(pixels, masks, 32)
    assert (crops.shape, crops.dtype) == ((len(masks), 32, 32, 3), np.uint8)
    for crop, mask in zip(crops, masks, strict=True):
        assert np.array_equal(crop, crop_for_clip(pixels, mask, 32))
    assert crop_masks(pixels, [], 32).shape == (0, 32, 32, 3)


def test_a_part_inside_a_hole_and_a_part_at_the_corner_of_another_count_as_what_they_are() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (120, 120, 3)).astype(np.uint8)
    ring = np.zeros((120, 120), bool)
    ring[20:60, 20:60] = True
    ring[25:55, 25:55] = False
    alone = crop_for_clip(pixels, ring, 24)
    ring[38:42, 38:42] = True  # 16 pixels in the hole of 700: left out
    assert np.array_equal(crop_for_clip(pixels, ring, 24), alone)
    block = np.zeros((120, 120), bool)
    block[20:60, 20:60] = True
    square = crop_for_clip(pixels, block, 24)
    block[60:64, 60:64] = True  # touches at a corner: the same part, which is larger now
    assert not np.array_equal(crop_for_clip(pixels, block, 24), square)
