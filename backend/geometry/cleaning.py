"""Specks and pinholes: parts and holes of a mask that are too small to mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.geometry.places import Point
from backend.values import Mask, Size

Contour = NDArray[np.int32]  # (N, 1, 2) XY of the middles of pixels, one after the other

PARENT = 3  # of OpenCV's hierarchy: the border around a hole, -1 for a border
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
    Pixels that touch at a corner are one part. A hole is all that a part surrounds, with what lies in it.

    Args:
        mask: bool (H, W).
        keep: XY of the positive points; one lies in the pixel (floor(x), floor(y)).

    Returns:
        bool (H, W); the mask itself where there is nothing to clean.
    """
    box = mask_to_box(mask)
    if box is None:
        return mask
    left, top, right, bottom = box
    pixels = np.ascontiguousarray(mask[top:bottom, left:right], np.uint8)
    contours, tree = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if len(contours) == 1:
        return mask  # one part without a hole, as most masks are
    under = [(int(x) - left, int(y) - top) for x, y in keep]
    parts = _parts(contours, tree[0, :, PARENT].tolist())
    largest = max(parts, key=lambda part: part.area)
    changed = False
    for part in parts:
        if part.area < max_speck_area and part is not largest and not any(map(part.holds, under)):
            cv2.drawContours(pixels, [part.border, *part.holes], -1, 0, cv2.FILLED)
            changed = True
            continue
        pinholes = [hole for hole in part.holes if _enclosed(hole) < max_speck_area]
        cv2.drawContours(pixels, pinholes, -1, 1, cv2.FILLED)
        changed = changed or bool(pinholes)
    return _replace(mask, box, pixels) if changed else mask


@dataclass(frozen=True)
class _Part:
    """Pixels that hang together: OpenCV's contours of its border and around its holes, all on its own pixels."""

    border: Contour
    holes: tuple[Contour, ...]

    @cached_property
    def area(self) -> int:
        """Pixels, by Pick's theorem: within the border and on it, less what the holes enclose."""
        steps = len(self.border) if len(self.border) > 1 else 0
        within = cv2.contourArea(self.border) + steps / 2 + 1
        return round(within) - sum(map(_enclosed, self.holes))

    def holds(self, pixel: tuple[int, int]) -> bool:
        """Whether a pixel is one of its own."""
        if cv2.pointPolygonTest(self.border, pixel, measureDist=False) < 0:
            return False
        return all(cv2.pointPolygonTest(hole, pixel, measureDist=False) <= 0 for hole in self.holes)


def _parts(contours: Sequence[Any], parents: Sequence[int]) -> list[_Part]:
    holes: dict[int, list[Contour]] = {number: [] for number, parent in enumerate(parents) if parent < 0}
    for contour, parent in zip(contours, parents, strict=True):
        if parent >= 0:
            holes[parent].append(contour)
    return [_Part(contours[number], tuple(inner)) for number, inner in holes.items()]


def _enclosed(hole: Contour) -> int:
    """Pixels that a hole's contour runs around, by Pick's theorem."""
    return round(cv2.contourArea(hole) - len(hole) / 2 + 1)


def _replace(mask: Mask, box: tuple[int, int, int, int], pixels: NDArray[np.uint8]) -> Mask:
    left, top, right, bottom = box
    cleaned = mask.copy()
    cleaned[top:bottom, left:right] = pixels
    return cleaned
