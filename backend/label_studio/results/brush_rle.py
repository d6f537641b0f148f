"""The brush codec: a bool mask to Label Studio's brush RLE and back.

The pixels run row by row, four words each (RGBA), and the words are run-length encoded in bits (see `brush_records`).
Label Studio and this module write all four channels as 0 or 255. Reading takes the alpha channel, which is what the
browser shows; from 128 on a pixel belongs to the mask.

Worked example: the mask [[True]] is four words of 255, [0, 0, 0, 4, 57, 27, 252, 127, 224].

Source: the bytes are those of `label_studio_sdk.converter.brush.mask2rle`, which a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from backend.errors import BadRle
from backend.label_studio.results.brush_records import (
    MAX_RUN,
    REMEDY,
    Integers,
    decode_records,
    encode_records,
    parse_header,
)
from backend.values import Mask, Size

CHANNELS = 4
_ONES = bytes([1]) * (MAX_RUN // CHANNELS + 1)


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
    """Decode Label Studio's brush RLE into a bool (H, W) mask: where alpha is 128 or more.

    Args:
        rle: Bytes as a list of integers, or the JSON text of such a list (see `requests.body_json`).
        size: Size of the image that the mask belongs to (`original_width`, `original_height`).

    Raises:
        BadRle: Not a list of bytes, truncated, of another word size, or not H * W * 4 words long.
    """
    ends, opaque = _decode_runs(rle, size)
    mask = np.zeros(size.height * size.width, bool)  # the system allocates only the pages that are written to
    pixels, starts = mask.data.cast("B"), np.append(0, ends[:-1])
    for start, end in zip(starts[opaque].tolist(), ends[opaque].tolist(), strict=True):
        pixels[start:end] = _ONES[: end - start]
    return mask.reshape(size.height, size.width)


def brush_box(rle: Sequence[int] | str, size: Size) -> tuple[int, int, int, int] | None:
    """Return what `geometry.mask_to_box` would of the decoded mask, without painting it; raises as `decode_brush`."""
    ends, opaque = _decode_runs(rle, size)
    starts = np.append(0, ends[:-1])
    is_filled = opaque & (ends > starts)
    if not is_filled.any():
        return None
    top, left = np.divmod(starts[is_filled], size.width)
    bottom, right = np.divmod(ends[is_filled] - 1, size.width)
    if (bottom > top).any():  # a run that continues in the next row touches both sides of the image
        return 0, int(top[0]), size.width, int(bottom[-1]) + 1
    return int(left.min()), int(top[0]), int(right.max()) + 1, int(bottom[-1]) + 1


def _find_runs(mask: Mask) -> tuple[Integers, Mask]:
    """Return lengths and values of the runs, row by row; only rows with mask pixels are searched for changes."""
    flat, width = mask.reshape(-1), mask.shape[1]
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, 0)
    start, stop = max(first * width - 1, 0), min((last + 1) * width + 1, flat.size)  # plus one pixel on either side
    changes = np.flatnonzero(flat[start + 1 : stop] != flat[start : stop - 1]) + (start + 1)
    ends = np.append(changes, flat.size)
    return np.diff(ends, prepend=0), flat[ends - 1]


def _decode_runs(rle: Sequence[int] | str, size: Size) -> tuple[Integers, Mask]:
    """Return where each run of pixels ends and whether it is mask; a run may be empty.

    The alpha of pixel p is word 4 p + 3.
    """
    data = _to_bytes(rle)
    stored_count, rle_sizes = parse_header(data)
    word_count = size.width * size.height * CHANNELS
    if stored_count != word_count:
        message = f"The brush mask holds {stored_count} values, but an image of {size} pixels has {word_count}."
        reason = "It was drawn on an image of another size than the result states (original_width, original_height)."
        raise BadRle(f"{message} {reason}", remedy=REMEDY)
    ends, words = decode_records(data, rle_sizes)
    last = int(np.searchsorted(ends, word_count))
    if last == len(ends):
        read = int(ends[-1]) if len(ends) else 0
        message = f"The brush mask is truncated: {read} of {word_count} values in {len(data)} bytes."
        raise BadRle(message, remedy=REMEDY)
    if ends[last] != word_count:
        message = f"The brush mask of {size} pixels needs {word_count} values, but its runs end at {ends[last]}."
        raise BadRle(message, remedy=REMEDY)
    return ends[: last + 1] // CHANNELS, words[: last + 1] >= 128


def _to_bytes(rle: Sequence[int] | str) -> bytes:
    if isinstance(rle, str) and rle.startswith("["):
        rle = _parse_numbers(rle)
    if not isinstance(rle, (list, tuple, np.ndarray, bytes)):
        raise BadRle(f"A brush mask must be a list of bytes, but is {type(rle).__name__}.", remedy=REMEDY)
    try:
        return bytes(rle)
    except (TypeError, ValueError) as error:
        raise BadRle(f"A brush mask must be a list of integers from 0 to 255: {error}.", remedy=REMEDY) from error


def _parse_numbers(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRle(f"The brush mask is not a list of numbers: {error}.", remedy=REMEDY) from error
