"""Exact overlaps of the masks of one image: duplicates, and masks that lie in others.

A pair is first judged by what its boxes and areas allow; the pixels of the few that are left are counted where the two
boxes overlap, eight at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.values import Mask

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


class MaskOverlaps:
    """The masks of one image, packed to one bit a pixel inside their boxes.

    Args:
        masks: bool (H, W), all of one size.

    Attributes:
        areas: Pixels of each mask.
    """

    def __init__(self, masks: Sequence[Mask]) -> None:
        boxes = [mask_to_box(mask) or (0, 0, 0, 0) for mask in masks]
        self._boxes: Integers = np.array(boxes, np.int64).reshape(-1, 4)
        self._first_bytes = [left // 8 for left, _, _, _ in boxes]  # a row begins at a multiple of 8 pixels
        self._packed = [
            np.packbits(mask[top:bottom, left - left % 8 : right], axis=1)
            for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True)
        ]
        self.areas: Integers = np.array([_count_bits(bits) for bits in self._packed], np.int64)

    def find_distinct(self, places: Sequence[int], max_iou: float) -> list[int]:
        """Return those of the masks that no earlier one overlaps too much.

        Args:
            places: Of the masks that are looked at, best first.
            max_iou: Of two masks with a larger IoU the later one is dropped; 1 keeps all.
        """
        if max_iou >= 1:
            return list(places)
        kept: list[int] = []
        for place in places:
            area, others = self.areas[place], np.array(kept, np.int64)
            possible = self._max_shared(place, others)
            near = others[possible > max_iou * (area + self.areas[others] - possible)]
            if not any(self._exceeds(place, int(other), max_iou) for other in near):
                kept.append(place)
        return kept

    def find_nested(self, places: Sequence[int], min_share: float) -> list[tuple[int, int]]:
        """Return the pairs (part, whole) of masks of which the first, smaller one lies in the second.

        Args:
            places: Of the masks that are looked at.
            min_share: The share of the part that lies in the whole, more than 0.
        """
        pairs, by_area = [], np.array(sorted(places, key=lambda place: int(self.areas[place])), np.int64)
        for number, part in enumerate(by_area.tolist()):
            larger = by_area[number + 1 :]
            needed = min_share * self.areas[part]
            for whole in larger[self._max_shared(part, larger) >= needed].tolist():
                if self.shared(part, whole) >= needed:
                    pairs.append((part, whole))
        return pairs

    def shared(self, one: int, other: int) -> int:
        """Return the number of pixels that belong to both masks."""
        (left, top, right, bottom), theirs = self._boxes[one], self._boxes[other]
        top, bottom = max(top, theirs[1]), min(bottom, theirs[3])
        first, end = max(left, theirs[0]) // 8, -(-min(right, theirs[2]) // 8)
        if top >= bottom or first >= end:
            return 0
        return _count_bits(self._window(one, first, end, top, bottom) & self._window(other, first, end, top, bottom))

    def _window(self, place: int, first: int, end: int, top: int, bottom: int) -> NDArray[np.uint8]:
        start_row, start_byte = self._boxes[place, 1], self._first_bytes[place]
        return self._packed[place][top - start_row : bottom - start_row, first - start_byte : end - start_byte]

    def _max_shared(self, place: int, others: Integers) -> Integers:
        """Return the number of pixels that a mask can share with others at most, as far as boxes and areas tell."""
        low = np.maximum(self._boxes[others, :2], self._boxes[place, :2])
        high = np.minimum(self._boxes[others, 2:], self._boxes[place, 2:])
        sides = np.maximum(high - low, 0)
        possible: Integers = np.minimum(sides[:, 0] * sides[:, 1], np.minimum(self.areas[others], self.areas[place]))
        return possible

    def _exceeds(self, one: int, other: int, max_iou: float) -> bool:
        """Whether the IoU of two masks is larger than `max_iou`."""
        shared = self.shared(one, other)
        return bool(shared > max_iou * (self.areas[one] + self.areas[other] - shared))


def mask_nms(masks: Sequence[Mask], max_iou: float) -> list[int]:
    """Return the indices of the masks that no earlier mask overlaps too much.

    SAM's generator suppresses duplicates by their boxes, but a distant speck changes the box of the same mask.

    Args:
        masks: bool (H, W), all of one size, best first.
        max_iou: Of two masks with a larger IoU the later one is dropped; 1 keeps all.
    """
    places = range(len(masks))
    return list(places) if max_iou >= 1 or len(masks) < 2 else MaskOverlaps(masks).find_distinct(places, max_iou)


def _count_bits(bits: NDArray[np.uint8]) -> int:
    return int(np.bitwise_count(bits).sum(dtype=np.int64))
