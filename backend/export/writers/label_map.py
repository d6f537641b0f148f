"""All regions of an image in one picture of numbers, the later region on top; and what that costs.

Used by the formats that give a pixel to one region only: panoptic, semantic, instances and the colour masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.errors import shorten
from backend.export.records import EncodedRegion, LabeledImage
from backend.values import Mask

Numbers = NDArray[np.uint32]
MAX_NAMED = 5


def list_objects(image: LabeledImage) -> list[EncodedRegion]:
    """Return the regions that have pixels. Their places, from 1, are their ids in all formats of pictures."""
    return [region for region in image.regions if region.area]


def paint_numbers(image: LabeledImage) -> Numbers:
    """Paint the regions' ids, from 1, one over the other: uint32 (H, W) with 0 where no region is."""
    canvas = np.zeros((image.size.height, image.size.width), np.uint32)
    for number, region in enumerate(list_objects(image), start=1):
        left, top, width, height = region.bbox
        place = slice(top, top + height), slice(left, left + width)
        canvas[place][region.decode_mask()[place]] = number
    return canvas


class KeyPointCounter:
    """Count of the key points, for the report of a format that cannot hold them."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, image: LabeledImage) -> None:
        self._count += len(image.key_points)

    def describe(self) -> list[str]:
        """Describe what was left out, a line each."""
        return [f"left out, because this format has no key points: {self._count}"] if self._count else []


class OverlapCounter:
    """Count of what a format cannot hold that gives each pixel to one region: overlaps and key points."""

    def __init__(self) -> None:
        self._key_points = KeyPointCounter()
        self._hidden = 0
        self._reduced = 0
        self._names: list[str] = []

    def add(self, image: LabeledImage, visible_areas: Sequence[int]) -> None:
        """Add an image.

        Args:
            visible_areas: Pixels of each object (`list_objects`) that are left.
        """
        self._key_points.add(image)
        for region, area in zip(list_objects(image), visible_areas, strict=True):
            self._reduced += 0 < area < region.area
            if not area:
                self._hidden += 1
                if len(self._names) < MAX_NAMED:
                    self._names.append(f'"{shorten(region.region_id)}" of task {image.task_id}')

    def describe(self) -> list[str]:
        """Describe what was lost, a line each."""
        lines = []
        if self._hidden:
            more = ", …" if self._hidden > len(self._names) else ""
            names = ", ".join(self._names) + more
            lines.append(f"regions hidden completely under later ones: {self._hidden} ({names})")
        if self._reduced:
            lines.append(f"regions that lost the pixels where a later one lies on top: {self._reduced}")
        return lines + self._key_points.describe()


def count_visible(image: LabeledImage, numbers: Numbers) -> list[int]:
    """Count the pixels of each object in a painted picture."""
    areas = [region.area for region in list_objects(image)]
    if int(np.count_nonzero(numbers)) == sum(areas):  # nothing overlaps; much faster than counting each
        return areas
    return [int(area) for area in np.bincount(numbers.ravel(), minlength=len(areas) + 1)[1:]]


def decode_in_rows(region: EncodedRegion) -> Mask:
    """Decode a mask, bool (H, W), row by row in memory, as image files are; RLE is column by column."""
    mask = np.zeros((region.size.height, region.size.width), bool)
    left, top, width, height = region.bbox
    place = slice(top, top + height), slice(left, left + width)
    mask[place] = region.decode_mask()[place]
    return mask
