"""Errors made on purpose in predicted masks and classes, to see whether a review finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from backend.geometry import mask_iou, mask_to_box, signed_distance
from backend.values import Mask

MAX_IOU = 0.7  # of a damaged mask with the mask before
MIN_PIXELS = 30
ATTEMPTS = 20

Change = Callable[[Mask, np.random.Generator], Mask]


def shift(mask: Mask, rng: np.random.Generator) -> Mask:
    """Move a mask by 20 to 60 % of its mean width in any direction; what leaves the image is lost."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6) * np.sqrt(np.count_nonzero(mask))
    rows, columns = np.nonzero(mask)
    rows, columns = rows + round(distance * np.sin(angle)), columns + round(distance * np.cos(angle))
    is_inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    moved = np.zeros_like(mask)
    moved[rows[is_inside], columns[is_inside]] = True
    return moved


def erode(mask: Mask, rng: np.random.Generator) -> Mask:
    """Remove the pixels nearest to the border; 45 to 65 % of the area is left."""
    return _resized(mask, rng.uniform(0.45, 0.65))


def dilate(mask: Mask, rng: np.random.Generator) -> Mask:
    """Add the pixels nearest to the border; the area becomes 1.5 to 2.2 times as large."""
    return _resized(mask, rng.uniform(1.5, 2.2))


def halve(mask: Mask, rng: np.random.Generator) -> Mask:
    """Keep the pixels on one side of a line through the centre of gravity."""
    rows, columns = np.nonzero(mask)
    angle = rng.uniform(0, 2 * np.pi)
    is_kept = (rows - rows.mean()) * np.sin(angle) + (columns - columns.mean()) * np.cos(angle) > 0
    half = np.zeros_like(mask)
    half[rows[is_kept], columns[is_kept]] = True
    return half


def merge(mask: Mask, others: Sequence[Mask]) -> Mask | None:
    """Add the nearest other mask that makes a difference; None if there is none."""
    centre = _centre(mask)
    for other in sorted(others, key=lambda other: float(np.hypot(*(_centre(other) - centre)))):
        merged: Mask = mask | other
        if mask_iou(merged, mask) <= MAX_IOU:
            return merged
    return None


CHANGES: dict[str, Change] = {"shifted": shift, "eroded": erode, "dilated": dilate, "halved": halve}
KINDS = (*CHANGES, "merged", "wrong class")


def damage_mask(kind: str, mask: Mask, others: Sequence[Mask], rng: np.random.Generator) -> Mask | None:
    """Damage a mask so that its IoU with the mask before is at most `MAX_IOU`; None if that cannot be done.

    Args:
        kind: One of `KINDS` but "wrong class".
        others: The other masks of the image, to merge with.
    """
    if kind == "merged":
        return merge(mask, others)
    for _ in range(ATTEMPTS):
        changed = CHANGES[kind](mask, rng)
        if np.count_nonzero(changed) >= MIN_PIXELS and mask_iou(changed, mask) <= MAX_IOU:
            return changed
    return None


def _resized(mask: Mask, factor: float) -> Mask:
    """Give a mask `factor` times its area, by the distance from its border."""
    distance = signed_distance(mask)
    count = min(round(np.count_nonzero(mask) * factor), mask.size - 1)
    return distance > -np.partition(-distance.ravel(), count)[count]


def _centre(mask: Mask) -> np.ndarray:
    left, top, right, bottom = mask_to_box(mask) or (0, 0, 0, 0)
    return np.array([left + right, top + bottom]) / 2
