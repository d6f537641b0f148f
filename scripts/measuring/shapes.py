"""Cleaning masks and converting them to polygons and bitmasks, against segment_anything and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from segment_anything.utils.amg import remove_small_regions

from backend.geometry import clean_mask, mask_to_outline, speck_area
from backend.label_studio.results import build_value
from backend.values import Mask, Size
from scripts.measuring.codecs import per_mask
from scripts.measuring.timing import Row, compare

GROUP = "Masks to regions"
SPECKS = 12  # per mask, half of them holes


def measure_shapes(what: str, masks: Sequence[Mask], *, repeats: int) -> list[Row]:
    """Measure all masks in each repeat; the times are per mask."""
    height, width = masks[0].shape
    min_area = speck_area(Size(width, height))
    dirty = [add_specks(mask, seed) for seed, mask in enumerate(masks)]
    if any(mask is clean_mask(mask, min_area) for mask in dirty):
        raise AssertionError("a mask had nothing to clean")
    rows = [
        compare(
            GROUP,
            f"take specks and pinholes out of a mask, {what}",
            lambda: [clean_mask(mask, min_area) for mask in dirty],
            "segment_anything: remove_small_regions, holes and islands",
            lambda: [
                remove_small_regions(remove_small_regions(mask, min_area, "holes")[0], min_area, "islands")
                for mask in dirty
            ],
            repeats=repeats,
        ),
        compare(
            GROUP,
            f"the value of a bitmask region, {what}",
            lambda: [build_value(mask, "bitmask", tolerance=1.0) for mask in masks],
            "OpenCV: RGBA to PNG, as the page writes it",
            lambda: [cv2.imencode(".png", to_rgba(mask)) for mask in masks],
            repeats=repeats,
            remark="the same mask on the page",
        ),
        compare(
            GROUP,
            f"the value of a polygon region of at most 60 points, {what}",
            lambda: [build_value(mask, "polygon", tolerance=1.0, ring=mask_to_outline(mask).ring) for mask in masks],
            "OpenCV: findContours, approxPolyDP",
            lambda: [approximate(mask) for mask in masks],
            repeats=repeats,
            remark="here few points, checked against the mask; there all that a pixel of tolerance needs",
        ),
    ]
    return [per_mask(row, len(masks)) for row in rows]


def add_specks(mask: Mask, seed: int) -> Mask:
    """Invert squares of 3x3 pixels in and around a mask."""
    rng, dirty = np.random.default_rng(seed), mask.copy()
    for wanted in (True, False):
        rows, columns = np.nonzero(mask[1:-1, 1:-1] == wanted)
        for place in rng.integers(0, len(rows), SPECKS // 2):
            row, column = rows[place] + 1, columns[place] + 1
            dirty[row - 1 : row + 2, column - 1 : column + 2] = not wanted
    return dirty


def to_rgba(mask: Mask) -> np.ndarray:
    """Convert a mask to RGBA: black inside, transparent outside."""
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[:, :, 3] = mask * np.uint8(255)
    return rgba


def approximate(mask: Mask) -> list[np.ndarray]:
    """Return the simplified outer contours."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [cv2.approxPolyDP(contour, 1.0, closed=True) for contour in contours]
