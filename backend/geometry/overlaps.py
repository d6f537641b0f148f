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
        boxes, areas = self._boxes[list(places)], self.areas[list(places)]
        is_kept = np.zeros(len(places), bool)
        for number, place in enumerate(places):
            possible = _max_shared(boxes[number], areas[number], boxes[:number], areas[:number])
            near = is_kept[:number] & (possible > max_iou * (areas[:number] + areas[number] - possible))
            is_kept[number] = not any(
                self._exceeds(place, places[other], max_iou) for other in np.flatnonzero(near).tolist()
            )
        return [place for place, keep in zip(places, is_kept.tolist(), strict=True) if keep]

    def find_nested(self, places: Sequence[int], min_share: float) -> list[tuple[int, int]]:
        """Return the pairs (part, whole) of masks of which the first, smaller one lies in the second.

        Args:
            places: Of the masks that are looked at.
            min_share: The share of the part that lies in the whole, more than 0.
        """
        by_area = sorted(places, key=lambda place: int(self.areas[place]))
        boxes, areas = self._boxes[by_area], self.areas[by_area]
        pairs = []
        for number, part in enumerate(by_area):
            needed, start = min_share * areas[number], number + 1
            possible = _max_shared(boxes[number], areas[number], boxes[start:], areas[start:])
            for other in np.flatnonzero(possible >= needed).tolist():
                if self.shared(part, by_area[start + other]) >= needed:
                    pairs.append((part, by_area[start + other]))
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

    def _exceeds(self, one: int, other: int, max_iou: float) -> bool:
        """Whether the IoU of two masks is larger than `max_iou`."""
        shared = self.shared(one, other)
        return bool(shared > max_iou * (self.areas[one] + self.areas[other] - shared))


def _max_shared(box: Integers, area: np.int64, boxes: Integers, areas: Integers) -> Integers:
    """Return the number of pixels that a mask can share with others at most, as far as boxes and areas tell."""
    width = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0])
    height = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1])
    possible: Integers = np.minimum(np.maximum(width, 0) * np.maximum(height, 0), np.minimum(areas, area))
    return possible


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
