"""The smallest rectangle around a mask, by hand and by what it has to cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from backend.geometry import mask_to_rotated_box
from backend.values import Mask


def area_of(corners: np.ndarray) -> float:
    return float(np.linalg.norm(corners[1] - corners[0]) * np.linalg.norm(corners[2] - corners[1]))


def test_one_pixel_has_a_box_of_one_by_one() -> None:
    mask = np.zeros((5, 6), bool)
    mask[2, 3] = True
    corners = mask_to_rotated_box(mask)
    assert sorted(map(tuple, corners.round(5).tolist())) == [(3, 2), (3, 3), (4, 2), (4, 3)]


def test_a_diagonal_of_pixels_has_a_box_along_it() -> None:
    """Ten pixels on the diagonal: 10 * sqrt(2) long, and sqrt(2) wide because pixels are squares."""
    corners = mask_to_rotated_box(np.eye(10, dtype=bool))
    sides = sorted(np.linalg.norm(corners[one + 1] - corners[one]) for one in range(2))
    assert sides == pytest.approx([2**0.5, 10 * 2**0.5], abs=1e-4)


@settings(max_examples=150, deadline=None)
@given(npst.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))).filter(lambda mask: bool(mask.any())))
def test_the_box_covers_every_pixel_and_is_no_larger_than_the_upright_one(mask: Mask) -> None:
    corners = mask_to_rotated_box(mask)
    rows, columns = np.nonzero(mask)
    pixels = np.concatenate([np.stack([columns + x, rows + y], axis=1) for x in (0, 1) for y in (0, 1)])
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        beside = (along[0] * (pixels - start)[:, 1] - along[1] * (pixels - start)[:, 0]) / np.linalg.norm(along)
        assert (beside >= -1e-3).all() or (beside <= 1e-3).all()
    upright = np.ptp(pixels, axis=0)
    assert area_of(corners) <= upright[0] * upright[1] + 1e-2
