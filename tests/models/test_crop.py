"""What CLIP sees of an object: the square around it, the blur, the border, parts that do not count."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import BadPrompt
from backend.models.clip.crop import crop_for_clip


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
