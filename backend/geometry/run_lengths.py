"""Masks as runs of pixels: from runs along the rows to COCO's RLE, area and box without painting a pixel.

`PixelRuns` counts the pixels row by row, as Label Studio's brush does: a run is the pixels from a start up to, not
including, an end, and it may go on in the next row. COCO's compressed RLE counts them column by column: `counts` are
the lengths of the runs, beginning with pixels outside the mask (perhaps 0), written as an ASCII string.

Worked example: the mask `.##.` over `.#..` (4x2) is the runs [1, 3) and [5, 6). Its columns are `..`, `##`, `#.`, `..`:
2 outside, 3 inside, 3 outside, "233" in COCO's writing; its area is 3 and its box 1, 0, 3, 2.

How columns follow from rows: a run of a column begins or ends where a row differs from the row above it. The pixels in
which two rows differ are the runs between the sorted ends of the runs of both. So the work grows with the runs of the
rows and of the columns, and not with the pixels. Where painting is cheaper, the mask is painted: few runs along the
rows that are very many down the columns, such as horizontal stripes of a few pixels.

Source: pycocotools/mask.py; `pycocotools.mask.decode` is the inverse of `encode_coco_runs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from backend.values import Mask, Size

Integers = NDArray[np.int64]
# What painting costs, in flips of a column: measured from 640x480 to 12 megapixels, on stripes and on noise.
PIXELS_PER_FLIP = 12
FLIPS_PER_RUN = 5
_ONES = bytes([1]) * (1 << 16)


@dataclass(frozen=True)
class PixelRuns:
    """The pixels of a mask as runs, row by row.

    Attributes:
        starts, ends: int64 (N,), ascending; no run is empty, and a run may end where the next one starts.
        size: Size of the mask.
    """

    starts: Integers
    ends: Integers
    size: Size

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.ends - self.starts).sum())

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom of the pixels as `mask_to_box` has them; None for an empty mask."""
        if not len(self.starts):
            return None
        width, last = self.size.width, self.ends - 1
        row = self.starts // width
        first_of_row = row * width
        top, bottom = int(row[0]), int(last[-1]) // width
        right = int((last - first_of_row).max())
        if right >= width:  # a run that continues in the next row touches both sides of the image
            return 0, top, width, bottom + 1
        return int((self.starts - first_of_row).min()), top, right + 1, bottom + 1

    def to_mask(self) -> Mask:
        """Paint the mask, bool (H, W)."""
        mask = np.zeros(self.size.height * self.size.width, bool)  # the system allocates only the pages written to
        pixels = mask.data.cast("B")
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            if end - start > len(_ONES):
                mask[start:end] = True
            else:
                pixels[start:end] = _ONES[: end - start]
        return mask.reshape(self.size.height, self.size.width)


def encode_coco_runs(runs: PixelRuns) -> dict[str, Any]:
    """Encode runs as COCO's compressed RLE, JSON-ready: what pycocotools makes of the painted mask."""
    height, width = runs.size.height, runs.size.width
    row, column, lengths = _row_differences(runs)
    if int(lengths.sum()) > height * width / PIXELS_PER_FLIP + len(runs.starts) * FLIPS_PER_RUN:
        rle = coco_mask.encode(np.asfortranarray(runs.to_mask(), dtype=np.uint8))
    else:
        counts = _column_counts(runs, row, column, lengths)
        (rle,) = coco_mask.frPyObjects([{"counts": counts, "size": [height, width]}], height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def _row_differences(runs: PixelRuns) -> tuple[Integers, Integers, Integers]:
    """Return where each row differs from the row above it: row, first column and number of columns, perhaps 0.

    Above the first and below the last row, at `row` = H, everything is outside the mask.
    """
    row, starts, ends = _split_at_rows(runs)
    stride = runs.size.width + 1  # the end of a run at the right side has a place of its own
    count = len(row)
    edges = np.empty((2, count, 2), np.int64)  # row * stride + column; each counts in its row and in the row below
    np.add(starts, row, out=edges[0, :, 0])
    np.add(ends, row, out=edges[0, :, 1])
    np.add(edges[0], stride, out=edges[1])
    merged = edges.reshape(-1)
    merged.sort(kind="stable")  # two sorted halves; of equal edges, the part between them is empty
    first = merged[0::2]
    row = first // stride
    return row, first - row * stride, merged[1::2] - first


def _split_at_rows(runs: PixelRuns) -> tuple[Integers, Integers, Integers]:
    """Return the row, the start and the end of each run, cut where a row ends."""
    width, starts, ends = runs.size.width, runs.starts, runs.ends
    first = starts // width
    more = (ends - 1) // width - first
    if not more.any():
        return first, starts, ends
    pieces = more + 1
    run = np.repeat(np.arange(len(starts)), pieces)
    row = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces - first, pieces)
    return row, np.maximum(starts[run], row * width), np.minimum(ends[run], (row + 1) * width)


def _column_counts(runs: PixelRuns, row: Integers, column: Integers, lengths: Integers) -> Integers:
    """Return the lengths of the runs column by column, the first one outside the mask.

    Args:
        row, column, lengths: What `_row_differences` returns.
    """
    height, width = runs.size.height, runs.size.width
    before = np.cumsum(lengths) - lengths
    flips = np.repeat((column - before) * height + row, lengths)
    flips += np.arange(0, len(flips) * height, height)  # places, column by column, where the mask begins or ends
    flips.sort()
    if len(runs.starts) and runs.starts[0] < width and runs.ends[-1] > (height - 1) * width:
        flips = _drop_pairs(flips)
    counts = np.empty(len(flips) + 1, np.int64)
    counts[-1] = height * width
    counts[:-1] = flips
    counts[1:] -= flips
    return counts if len(counts) == 1 or counts[-1] else counts[:-1]


def _drop_pairs(flips: Integers) -> Integers:
    """Drop equal neighbours: a column that is filled to its last row, and a next one that is filled from its first."""
    is_equal = flips[1:] == flips[:-1]
    is_kept = np.ones(len(flips), bool)
    is_kept[1:] &= ~is_equal
    is_kept[:-1] &= ~is_equal
    return flips[is_kept]
