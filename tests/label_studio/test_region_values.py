"""What is written as the value of a region is read back as the mask that the kind promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.label_studio.region_values import build_value, mask_from_value
from backend.values import Mask, Size

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14)).filter(np.any)


@settings(deadline=None)
@given(masks, st.sampled_from(["brush", "bitmask", "polygon"]))
def test_a_mask_comes_back_pixel_by_pixel(mask: Mask, kind: str) -> None:
    height, width = mask.shape
    (value,) = build_value(mask, kind, tolerance=0)
    assert np.array_equal(mask_from_value(value, kind, Size(width, height)), mask)


def test_a_rectangle_is_the_tightest_box_in_percent() -> None:
    mask = np.zeros((2, 4), bool)
    mask[0, 1:3] = True
    (value,) = build_value(mask, "rectangle", tolerance=1)
    assert value == {"x": 25, "y": 0, "width": 50, "height": 50, "rotation": 0}
    assert np.array_equal(mask_from_value(value, "rectangle", Size(4, 2)), mask)


def test_another_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="brush, bitmask, polygon, rectangle, ellipse, not 'keypoint'"):
        build_value(np.ones((1, 1), bool), "keypoint", tolerance=1)
