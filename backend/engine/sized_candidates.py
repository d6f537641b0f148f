"""SAM's candidates for one click by their size, for a person who wants a larger or a smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.geometry import mask_iou
from backend.values import Candidate

SAME_MASK_IOU = 0.95  # candidates above this look the same to a person


@dataclass(frozen=True)
class SizedCandidate:
    """One of the distinct candidates for a click: the `place`-th by size, 1 for the smallest, of `count`."""

    candidate: Candidate
    place: int
    count: int


def choose_larger(candidates: Sequence[Candidate], times: int) -> SizedCandidate:
    """Return the candidate that is `times` steps larger than the best one; after the largest comes the smallest.

    Candidates that look the same count once.

    Args:
        candidates: Best first, at least one.
    """
    best, *others = candidates
    distinct = [best]
    for other in others:
        if other.mask.any() and all(mask_iou(other.mask, known.mask) < SAME_MASK_IOU for known in distinct):
            distinct.append(other)
    by_size = sorted(distinct, key=lambda candidate: int(np.count_nonzero(candidate.mask)))
    start = next(place for place, candidate in enumerate(by_size) if candidate is best)
    place = (start + times) % len(by_size)
    return SizedCandidate(by_size[place], place + 1, len(by_size))
