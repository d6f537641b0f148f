"""Specks and pinholes: parts and holes of a mask that are too small to mean anything."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import fit_box
from backend.geometry.places import Point
from backend.values import Mask, Size

SPECK_SHARE = 1 / 40_000
LEAST_SPECK_AREA = 8


def speck_area(size: Size) -> int:
    """Pixels below which a part is a speck and a hole a pinhole: 1/40,000 of the image, at least 8.

    That is 7x7 pixels of 1920x1080 and 17x17 of 12 megapixels: less than what SAM can see, whose mask has 256x256
    cells of which one is 7.5x7.5 pixels of a picture 1920 pixels wide. Scaling with the image keeps the rule the same
    for a photo and its thumbnail.
    """
    return max(LEAST_SPECK_AREA, round(size.width * size.height * SPECK_SHARE))


def clean_mask(mask: Mask, max_speck_area: int, keep: Sequence[Point] = ()) -> Mask:
    """The mask without its specks and pinholes, those of less than `max_speck_area` pixels.

    The largest part always stays, and so does a part under a point of `keep`: what a person clicked on is no speck.
    Pixels that touch at a corner are one part; a hole ends there. A hole is background that does not reach the
    border of the mask's box.

    Args:
        mask: bool (H, W).
        keep: XY of the positive points; one lies in the pixel (floor(x), floor(y)).

    Returns:
        bool (H, W); the mask itself where there is nothing to clean.
    """
    box = fit_box(mask)
    if box is None:
        return mask
    left, top, right, bottom = box
    inside = mask[top:bottom, left:right]
    pixels = np.ascontiguousarray(inside, np.uint8)
    if len(cv2.findContours(pixels, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]) == 1:
        return mask  # one part without a hole, as most masks are
    under = [(int(y) - top, int(x) - left) for x, y in keep if left <= x < right and top <= y < bottom]
    filled = _fill_pinholes(_remove_specks(pixels, max_speck_area, under), max_speck_area)
    cleaned = np.zeros_like(mask)
    cleaned[top:bottom, left:right] = filled
    return cleaned


def _remove_specks(pixels: NDArray[np.uint8], max_speck_area: int, under: Sequence[tuple[int, int]]) -> Mask:
    """Keep the largest part, those of the least area, and those under a (row, column)."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # the background
    stays = areas >= max_speck_area
    stays[areas.argmax()] = True
    stays[[labels[place] for place in under]] = True
    stays[0] = False
    kept: Mask = stays[labels]
    return kept


def _fill_pinholes(mask: Mask, max_speck_area: int) -> Mask:
    """Set the background that is shut in and less than an area; pixels that touch at a corner are two of it."""
    outside = np.pad(~mask, 1, constant_values=True).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < max_speck_area
    small[labels[0, 0]] = False
    small[0] = True  # the mask itself
    filled: Mask = small[labels[1:-1, 1:-1]]
    return filled
