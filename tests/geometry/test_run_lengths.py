"""Runs of pixels to COCO's RLE, area and box, against pycocotools on the painted mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from backend.geometry import PixelRuns, encode_coco_runs, mask_to_box, run_lengths
from backend.values import Mask, Size

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))
PAINTING, NEVER_PAINTING = {"PIXELS_PER_FLIP": 1e9, "FLIPS_PER_RUN": 0}, {"PIXELS_PER_FLIP": 1e-9}


def runs_of(mask: Mask, *, cut_at: frozenset[int] = frozenset()) -> PixelRuns:
    """The runs of a mask, cut at some pixels as well, as runs of many records are."""
    starts, ends = [], []
    for pixel in np.flatnonzero(mask).tolist():
        if ends and ends[-1] == pixel and pixel not in cut_at:
            ends[-1] += 1
        else:
            starts.append(pixel)
            ends.append(pixel + 1)
    return PixelRuns(np.array(starts, np.int64), np.array(ends, np.int64), Size(mask.shape[1], mask.shape[0]))


def assert_same_as_painted(mask: Mask, runs: PixelRuns) -> None:
    painted = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    expected = {"size": list(mask.shape), "counts": painted["counts"].decode("ascii")}
    for constants in (NEVER_PAINTING, PAINTING):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in constants.items():
                patch.setattr(run_lengths, name, value)
            assert encode_coco_runs(runs) == expected
    assert runs.area == coco_mask.area(painted)
    assert runs.box == mask_to_box(mask)
    assert np.array_equal(runs.to_mask(), mask)


def test_the_worked_example_of_the_docstring() -> None:
    runs = PixelRuns(np.array([1, 5]), np.array([3, 6]), Size(4, 2))
    assert encode_coco_runs(runs) == {"size": [2, 4], "counts": "233"}
    assert (runs.area, runs.box) == (3, (1, 0, 3, 2))


@given(masks, st.frozensets(st.integers(0, 399)))
@settings(deadline=None)
def test_any_mask_is_encoded_as_its_pixels_are(mask: Mask, cut_at: frozenset[int]) -> None:
    assert_same_as_painted(mask, runs_of(mask, cut_at=cut_at))


@given(st.integers(1, 300), st.integers(1, 300), st.data())
@settings(deadline=None)
def test_a_run_over_many_rows_is_encoded_as_its_pixels_are(width: int, height: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, width * height - 1))
    end = data.draw(st.integers(start + 1, width * height))
    mask = np.zeros(height * width, bool)
    mask[start:end] = True
    runs = PixelRuns(np.array([start]), np.array([end]), Size(width, height))
    assert_same_as_painted(mask.reshape(height, width), runs)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 70_000), (70_000, 2), (300, 400)])
@pytest.mark.parametrize("is_inside", [False, True])
def test_empty_and_full_masks_of_any_shape(shape: tuple[int, int], is_inside: bool) -> None:
    height, width = shape
    ends = np.array([height * width] if is_inside else [], np.int64)
    assert_same_as_painted(np.full(shape, is_inside), PixelRuns(ends * 0, ends, Size(width, height)))


@pytest.mark.parametrize("pixel", [0, 1, 6, 7, 33, 34])
def test_a_single_pixel_in_a_corner_or_elsewhere(pixel: int) -> None:
    mask = np.zeros((5, 7), bool)
    mask.flat[pixel] = True
    assert_same_as_painted(mask, runs_of(mask))


def test_only_a_mask_of_many_runs_down_and_few_along_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[Size] = []
    paint = PixelRuns.to_mask
    monkeypatch.setattr(PixelRuns, "to_mask", lambda runs: painted.append(runs.size) or paint(runs))
    block, stripes = np.zeros((100, 100), bool), np.zeros((99, 101), bool)
    block[20:60, 30:80] = stripes[::2] = True
    for cheap in (block, np.ascontiguousarray(stripes.T)):
        encode_coco_runs(runs_of(cheap))
    assert painted == []
    encode_coco_runs(runs_of(stripes))
    assert painted == [Size(101, 99)]
