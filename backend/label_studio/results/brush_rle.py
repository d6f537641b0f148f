"""The brush codec: a bool mask to Label Studio's brush RLE and back.

The pixels run row by row, four words each (RGBA), and the words are run-length encoded in bits (see `brush_records`).
Label Studio and this module write all four channels as 0 or 255. Reading takes the alpha channel, which is what the
browser shows; from 128 on a pixel belongs to the mask.

Worked example: the mask [[True]] is four words of 255, [0, 0, 0, 4, 57, 27, 252, 127, 224].

Source: the bytes are those of `label_studio_sdk.converter.brush.mask2rle`, which a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.label_studio.results.brush_records import Integers, encode_records
from backend.label_studio.results.brush_runs import CHANNELS, decode_brush_runs
from backend.values import Mask, Size


def encode_brush(mask: Mask) -> list[int]:
    """Encode a bool (H, W) mask as Label Studio's brush RLE, byte for byte as label_studio_sdk's `mask2rle` does.

    Raises:
        ValueError: The mask is not bool (H, W) with at least one pixel.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_ or mask.size == 0:
        raise ValueError(f"A mask must be bool (H, W) with at least one pixel, but is {mask.dtype} {mask.shape}.")
    counts, values = _find_runs(np.ascontiguousarray(mask))
    return encode_records(mask.size * CHANNELS, counts * CHANNELS, np.where(values, 255, 0))


def decode_brush(rle: Sequence[int] | str, size: Size) -> Mask:
    """Decode Label Studio's brush RLE into a bool (H, W) mask; takes and raises what `decode_brush_runs` does."""
    return decode_brush_runs(rle, size).to_mask()


def _find_runs(mask: Mask) -> tuple[Integers, Mask]:
    """Return lengths and values of the runs, row by row; only rows with mask pixels are searched for changes."""
    flat, width = mask.reshape(-1), mask.shape[1]
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, 0)
    start, stop = max(first * width - 1, 0), min((last + 1) * width + 1, flat.size)  # plus one pixel on either side
    changes = np.flatnonzero(flat[start + 1 : stop] != flat[start : stop - 1]) + (start + 1)
    ends = np.append(changes, flat.size)
    return np.diff(ends, prepend=0), flat[ends - 1]
