"""Automatic masks kept for the next text."""

from __future__ import annotations

import numpy as np

from backend.engine.packed_masks import pack
from backend.values import Candidate


def test_masks_come_back_as_they_were() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random((9, 11)) < 0.5 for _ in range(3)]
    kept = pack([Candidate(mask, 0.5 + i / 10) for i, mask in enumerate(masks)], (9, 11), np.zeros((3, 4), np.float32))
    assert all(np.array_equal(one, other) and one.dtype == bool for one, other in zip(kept.masks(), masks, strict=True))
    assert kept.scores == (0.5, 0.6, 0.7)
    assert kept.nbytes == 3 * 13 + 3 * 16  # 99 pixels are 13 bytes


def test_an_image_without_masks_is_kept_too() -> None:
    assert pack([], (9, 11), np.zeros((0, 1), np.float32)).masks() == []
