"""Masks as they stand in answers: Label Studio's run lengths of a brush, the PNG of a bitmask. Read here anew."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]
CHANNELS, ALPHA = 4, 3
_COUNT_BITS, _WORD_BITS, _SIZE_BITS = 32, 5, 4
_PNG = "data:image/png;base64,"


def decode_rle(packed: Sequence[int]) -> Bytes:
    """The alpha of every pixel, row by row.

    Raises:
        ValueError: Not thi.ng's rle-pack, or cut off.
    """
    bits = "".join(f"{byte:08b}" for byte in packed)
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word_bits = read(_COUNT_BITS), read(_WORD_BITS) + 1
    sizes = [read(_SIZE_BITS) + 1 for _ in range(4)]
    words, counts, done = list[int](), list[int](), 0
    while done < total:
        is_run, count = read(1), read(sizes[read(2)]) + 1
        words += [read(word_bits)] if is_run else [read(word_bits) for _ in range(count)]
        counts += [count] if is_run else [1] * count
        done += count
    return np.repeat(np.array(words, np.uint8), counts)[:total][ALPHA::CHANNELS]


def decode_png(data_url: str) -> Bytes:
    """The pixels of a picture in a data: address, as RGBA.

    Raises:
        ValueError, OSError: None of these.
    """
    if not data_url.startswith(_PNG):
        raise ValueError("no PNG in a data: address")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_url.removeprefix(_PNG)))).convert("RGBA"))


def tell_apart(before: Bytes, after: Bytes) -> str:
    """In words, how much two masks differ; "" where they are equal."""
    if before.shape != after.shape:
        return f"masks of another size: {before.shape} and {after.shape}"
    count = int(np.count_nonzero(before != after if before.ndim < 3 else (before != after).any(axis=-1)))
    return f"{count} of {before.size if before.ndim < 3 else before[..., 0].size} pixels differ" if count else ""
