"""Removal of specks and pinholes: parts and holes of a mask that are too small to be meaningful."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.click_pixels import pixel_of
from backend.geometry.fits import mask_to_box
from backend.geometry.places import Point
from backend.values import Mask, Size

Contour = NDArray[np.int32]  # (N, 1, 2) XY of neighbouring pixels

PARENT = 3  # column of OpenCV's hierarchy: the outer contour of a hole, -1 for an outer contour
SPECK_AREA_FRACTION = 1 / 40_000
MIN_SPECK_AREA = 8


def speck_area(size: Size) -> int:
    """Return the area in pixels below which a part is a speck and a hole a pinhole: 1/40,000 of the image, at least 8.

    That is 7x7 pixels of 1920x1080 and 17x17 of 12 megapixels, which is below SAM's resolution: its mask has 256x256
    cells, and in an image 1920 pixels wide one of them covers 7.5x7.5 pixels. The area scales with the image, so the
    rule is the same for a photo and its thumbnail.
    """
    return max(MIN_SPECK_AREA, round(size.width * size.height * SPECK_AREA_FRACTION))


def clean_mask(mask: Mask, max_speck_area: int, keep: Sequence[Point] = ()) -> Mask:
    """Remove parts and fill holes of fewer than `max_speck_area` pixels.

    The largest part always remains. So does what a person clicked on: a part under a point of `keep` is not a speck,
    and a hole with such a point in a pixel outside the mask is not a pinhole. Pixels that touch at a corner belong to
    one part. A hole is everything that a part surrounds, parts inside it included.

    Args:
        mask: bool (H, W).
        keep: XY of points whose pixel must stay as it is; see `pixel_of`.

    Returns:
        bool (H, W); `mask` itself if there is nothing to clean.
    """
    box = mask_to_box(mask)
    if box is None:
        return mask
    left, top, right, bottom = box
    pixels = np.ascontiguousarray(mask[top:bottom, left:right], np.uint8)
    contours, tree = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if len(contours) == 1:
        return mask  # one part without a hole, as most masks are
    clicked = [(x - left, y - top) for x, y in (pixel_of(point, mask.shape) for point in keep)]
    outside = [(x, y) for x, y in clicked if not mask[y + top, x + left]]
    parts = _parts(contours, tree[0, :, PARENT].tolist())
    largest = max(parts, key=lambda part: part.area)
    changed = False
    for part in parts:
        if part.area < max_speck_area and part is not largest and not any(map(part.contains, clicked)):
            cv2.drawContours(pixels, [part.border, *part.holes], -1, 0, cv2.FILLED)
            changed = True
            continue
        pinholes = [hole for hole in part.holes if _is_pinhole(hole, max_speck_area, outside)]
        cv2.drawContours(pixels, pinholes, -1, 1, cv2.FILLED)
        changed = changed or bool(pinholes)
    return _replace(mask, box, pixels) if changed else mask


@dataclass(frozen=True)
class _Part:
    """Connected pixels: OpenCV's contours of the outer border and around the holes, all on the part's own pixels."""

    border: Contour
    holes: tuple[Contour, ...]

    @cached_property
    def area(self) -> int:
        """Number of pixels, by Pick's theorem: inside the border and on it, minus those that the holes enclose."""
        steps = len(self.border) if len(self.border) > 1 else 0
        within = cv2.contourArea(self.border) + steps / 2 + 1
        return round(within) - sum(map(_enclosed_area, self.holes))

    def contains(self, pixel: tuple[int, int]) -> bool:
        """Whether a pixel belongs to the part."""
        if cv2.pointPolygonTest(self.border, pixel, measureDist=False) < 0:
            return False
        return all(cv2.pointPolygonTest(hole, pixel, measureDist=False) <= 0 for hole in self.holes)


def _parts(contours: Sequence[Any], parents: Sequence[int]) -> list[_Part]:
    holes: dict[int, list[Contour]] = {number: [] for number, parent in enumerate(parents) if parent < 0}
    for contour, parent in zip(contours, parents, strict=True):
        if parent >= 0:
            holes[parent].append(contour)
    return [_Part(contours[number], tuple(inner)) for number, inner in holes.items()]


def _enclosed_area(hole: Contour) -> int:
    """Return the number of pixels that a hole's contour surrounds, by Pick's theorem."""
    return round(cv2.contourArea(hole) - len(hole) / 2 + 1)


def _is_pinhole(hole: Contour, max_area: int, outside: Sequence[tuple[int, int]]) -> bool:
    """Whether a hole is small, and none of the pixels that must stay outside the mask lies in it."""
    if _enclosed_area(hole) >= max_area:
        return False
    return all(cv2.pointPolygonTest(hole, pixel, measureDist=False) <= 0 for pixel in outside)


def _replace(mask: Mask, box: tuple[int, int, int, int], pixels: NDArray[np.uint8]) -> Mask:
    left, top, right, bottom = box
    cleaned = mask.copy()
    cleaned[top:bottom, left:right] = pixels
    return cleaned
