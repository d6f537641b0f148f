"""COCO's compressed RLE: pycocotools writes it, and damage is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as coco_mask

from backend.geometry import decode_coco_counts

masks = npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=2, max_side=40))


def test_the_worked_example() -> None:
    assert decode_coco_counts("21102", 8).tolist() == [2, 1, 1, 1, 3]


@settings(deadline=None)
@given(masks)
def test_what_pycocotools_writes_is_read(mask: np.ndarray) -> None:
    counts = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
    lengths = decode_coco_counts(counts, mask.size)
    inside = np.arange(len(lengths)) % 2 == 1
    np.testing.assert_array_equal(np.repeat(inside, lengths), mask.ravel(order="F"))


def test_long_runs_are_read() -> None:
    mask = np.zeros((3000, 4000), np.uint8, order="F")
    mask[17:2900, 300:3900] = 1
    counts = coco_mask.encode(mask)["counts"].decode()
    assert decode_coco_counts(counts, mask.size)[1::2].sum() == mask.sum()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("2110", "its runs have 5 pixels, but the image has 8"),
        ("", "its runs have 0 pixels, but the image has 8"),
        ("21102x", "character 6 of its counts is none of an RLE"),
        ("21 02", "character 3 of its counts is none of an RLE"),
        ("2110R", "its counts end in the middle of a number"),
        ("N8", "run 1 of its counts has a negative length"),
        ("oooooooo0", "number 1 of its counts is too long"),
    ],
)
def test_damage_is_told(counts: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        decode_coco_counts(counts, 8)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(counts: str) -> None:
    try:
        lengths = decode_coco_counts(counts, 64)
    except ValueError:
        return
    assert lengths.sum() == 64 and (lengths >= 0).all()
