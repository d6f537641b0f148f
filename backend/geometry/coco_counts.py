"""COCO's compressed RLE to the lengths of its runs, checked: pycocotools reads damaged text beyond its end.

The lengths of the runs, column by column and beginning with pixels outside the mask, are written as differences: from
the fourth on, a number is the difference from the one two places before it. Each is cut into groups of 5 bits, the
lowest first, in characters from "0" on; bit 5 says that another group follows, and bit 4 of the last one is the sign.

Worked example: "21102" is 2, 1, 1, then 1 + 0 = 1 and 1 + 2 = 3: the runs 2 1 1 1 3.

Source: rleToString and rleFrString in pycocotools' maskApi.c; `run_lengths.encode_coco_runs` is the inverse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
MAX_GROUPS = 7  # 35 bits, more than any mask has pixels
_FIRST, _BITS, _MORE, _SIGN = ord("0"), 5, 0x20, 0x10


def decode_coco_counts(text: str, pixels: int) -> Integers:
    """Decode the lengths of a mask's runs, int64 (N,).

    Args:
        text: `counts` of a compressed RLE.
        pixels: Width times height of the mask.

    Raises:
        ValueError: The text is damaged or cut off, or its runs do not have so many pixels; the message says which.
    """
    codes = np.frombuffer(text.encode("latin-1", "replace"), np.uint8).astype(np.int64) - _FIRST
    if len(codes) and not ((codes >= 0) & (codes < 2 * _MORE)).all():
        place = int(np.flatnonzero((codes < 0) | (codes >= 2 * _MORE))[0])
        raise ValueError(f"character {place + 1} of its counts is none of an RLE")
    is_last = (codes & _MORE) == 0
    if len(codes) and not is_last[-1]:
        raise ValueError("its counts end in the middle of a number")
    return check_counts(_add_up(_join_groups(codes, is_last)), pixels)


def check_counts(counts: Integers, pixels: int) -> Integers:
    """Return lengths of runs. Raises `ValueError` unless all are lengths, and together as many as the mask's pixels."""
    if (counts < 0).any():
        raise ValueError(f"run {int(np.flatnonzero(counts < 0)[0]) + 1} of its counts has a negative length")
    if (total := int(counts.sum())) != pixels:
        raise ValueError(f"its runs have {total} pixels, but the image has {pixels}")
    return counts


def _join_groups(codes: Integers, is_last: NDArray[np.bool_]) -> Integers:
    """Join the groups of 5 bits to signed numbers."""
    ends = np.flatnonzero(is_last)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    lengths = ends - starts + 1
    if len(lengths) and lengths.max() > MAX_GROUPS:
        raise ValueError(f"number {int(lengths.argmax()) + 1} of its counts is too long")
    shifts = _BITS * (np.arange(len(codes)) - np.repeat(starts, lengths))
    numbers = np.add.reduceat((codes & (_MORE - 1)) << shifts, starts) if len(starts) else starts
    negative = (codes[ends] & _SIGN) != 0
    return np.where(negative, numbers - (1 << (_BITS * lengths)), numbers)


def _add_up(differences: Integers) -> Integers:
    """Add up the differences of every second number, the first one apart."""
    counts = differences.copy()
    counts[1::2] = np.cumsum(differences[1::2])
    counts[2::2] = np.cumsum(differences[2::2])
    return counts
