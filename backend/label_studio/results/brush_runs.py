"""Label Studio's brush RLE to runs of pixels, without painting them.

`brush_rle` says what the words of the RLE mean, and has the inverse, `encode_brush`.

Worked example: [0, 0, 0, 4, 57, 27, 252, 127, 224] is four words of 255, one pixel: the run [0, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from backend.errors import BadRle
from backend.geometry import PixelRuns
from backend.label_studio.results.brush_records import REMEDY, Bools, Integers, decode_records, parse_header
from backend.values import Size

CHANNELS = 4
MIN_ALPHA = 128  # of a pixel that belongs to the mask


def decode_brush_runs(rle: Sequence[int] | str, size: Size) -> PixelRuns:
    """Decode Label Studio's brush RLE into the runs of pixels whose alpha is 128 or more.

    Args:
        rle: Bytes as a list of integers, or the JSON text of such a list (see `requests.body_json`).
        size: Size of the image that the mask belongs to (`original_width`, `original_height`).

    Raises:
        BadRle: Not a list of bytes, truncated, of another word size, or not H * W * 4 words long.
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
    return _join(ends[: last + 1] // CHANNELS, words[: last + 1] >= MIN_ALPHA, size)


def _join(ends: Integers, is_inside: Bools, size: Size) -> PixelRuns:
    """Join the runs of words that follow each other, within and outside the mask.

    Args:
        ends: In pixels. The alpha of pixel p is word 4 p + 3, so a run of words up to w is one of pixels up to w // 4.
    """
    changes = np.flatnonzero(is_inside[1:] != is_inside[:-1])
    edges = ends[changes]
    if is_inside[0]:
        edges = np.concatenate(([0], edges))
    if is_inside[-1]:
        edges = np.concatenate((edges, ends[-1:]))
    starts, stops = edges[0::2], edges[1::2]
    is_filled = stops > starts
    return PixelRuns(starts, stops, size) if is_filled.all() else PixelRuns(starts[is_filled], stops[is_filled], size)


def brush_box(rle: Sequence[int] | str, size: Size) -> tuple[int, int, int, int] | None:
    """Return what `geometry.mask_to_box` would of the decoded mask, without painting it; raises as `decode_brush`."""
    return decode_brush_runs(rle, size).box


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
