"""The brush codec: a bool mask to Label Studio's brush RLE and back.

Format (thi.ng rle-pack, big-endian bits), a list of bytes:

    32 bits  number of words: H * W * 4, for the mask is stored as an RGBA image
     5 bits  word size - 1: 7, a word is one byte
 4 x 4 bits  rle sizes - 1: 2, 3, 7, 15, so that a count is written in 3, 4, 8 or 16 bits
  records    1 bit   1: one word repeated, 0: that many words follow
             2 bits  which of the rle sizes
             n bits  count - 1
             8 bits  the word (once if repeated, else count times)
  padding    zeros to a whole byte; label_studio_sdk adds a whole zero byte where none is needed, and so do we

The pixels run row by row, RGBA each. What Label Studio and this module write has all four channels at 0 or 255; what is
read is the alpha channel, which is what the browser shows; from 128 on it is mask.

Worked example: the mask [[True]] is four words of 255: `00000000 00000000 00000000 00000100` (4 words), `00111`,
`0010 0011 0111 1111`, then `1 00 011 11111111` (repeat, size 3 bits, 4 - 1, 255), and 5 zeros:
[0, 0, 0, 4, 57, 27, 252, 127, 224] in bytes.

Source: https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack; the bytes are those of
`label_studio_sdk.converter.brush.mask2rle`, which a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from backend.errors import BadRle
from backend.values import Mask, Size

Integers = NDArray[np.int64]

CHANNELS = 4
ALPHA = 3
HEADER_BITS = 53
WORD_BITS = 8
RLE_SIZES = (3, 4, 8, 16)
LONGEST_RUN = 1 << 16
MOST_RECORD_BITS = 1 + 2 + 16 + WORD_BITS
_ONES = bytes([1]) * (LONGEST_RUN // CHANNELS + 1)
REMEDY = "The annotation is damaged: delete this region in Label Studio and draw it anew."


def encode_brush(mask: Mask) -> list[int]:
    """Encode a bool (H, W) mask as Label Studio's brush RLE, byte for byte as label_studio_sdk's `mask2rle` does.

    Raises:
        ValueError: The mask is not bool (H, W) with at least one pixel.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_ or mask.size == 0:
        raise ValueError(f"A mask is bool (H, W) with at least one pixel, not {mask.dtype} {mask.shape}.")
    counts, values = _runs(np.ascontiguousarray(mask))
    return _pack(mask.size * CHANNELS, *_records(*_split_long_runs(counts * CHANNELS, values)))


def decode_brush(rle: Sequence[int] | str, size: Size) -> Mask:
    """Decode Label Studio's brush RLE into a bool (H, W) mask: where alpha is 128 or more.

    Args:
        rle: Bytes as a list of integers, or the JSON text of such a list (see `bodies`).
        size: Of the image that the mask lies on (`original_width`, `original_height`).

    Raises:
        BadRle: Not a list of bytes, truncated, of another word size, or not H * W * 4 words long.
    """
    ends, opaque = _decode_runs(rle, size)
    mask = np.zeros(size.height * size.width, bool)  # the system allocates only those pages that are written to
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


def _decode_runs(rle: Sequence[int] | str, size: Size) -> tuple[Integers, Mask]:
    """Runs of pixels: where each ends and whether it is mask. Alpha of pixel p is word 4 p + 3; a run may be empty."""
    data = _to_bytes(rle)
    rle_sizes = _parse_header(data, size)
    ends, words = _words(data, _record_starts(data, rle_sizes), rle_sizes)
    word_count = size.width * size.height * CHANNELS
    last = int(np.searchsorted(ends, word_count))
    if last == len(ends):
        found = int(ends[-1]) if len(ends) else 0
        raise BadRle(
            f"The brush mask is truncated: {found} of {word_count} values in {len(data)} bytes.", remedy=REMEDY
        )
    if ends[last] != word_count:
        message = f"The brush mask of {size} pixels needs {word_count} values but its runs end at {ends[last]}."
        raise BadRle(message, remedy=REMEDY)
    return ends[: last + 1] // CHANNELS, words[: last + 1] >= 128


def _runs(mask: Mask) -> tuple[Integers, Mask]:
    """Lengths and values of the runs, row by row; only the rows that hold any pixel are searched for borders."""
    flat, width = mask.reshape(-1), mask.shape[1]
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, 0)
    start, stop = max(first * width - 1, 0), min((last + 1) * width + 1, flat.size)  # and a pixel on either side
    borders = np.flatnonzero(flat[start + 1 : stop] != flat[start : stop - 1]) + (start + 1)
    ends = np.append(borders, flat.size)
    return np.diff(ends, prepend=0), flat[ends - 1]


def _split_long_runs(counts: Integers, values: Mask) -> tuple[Integers, Mask, Mask]:
    """Cut runs longer than 65536 as the SDK does; the third array marks cut runs, whose short rest keeps 16 bits."""
    pieces = (counts + LONGEST_RUN - 1) // LONGEST_RUN
    if pieces.max() == 1:
        return counts, values, np.zeros(len(counts), bool)
    last = np.cumsum(pieces) - 1
    short = np.full(int(pieces.sum()), LONGEST_RUN, np.int64)
    short[last] = counts - (pieces - 1) * LONGEST_RUN
    return short, np.repeat(values, pieces), np.repeat(pieces > 1, pieces)


def _records(counts: Integers, values: Mask, is_long: Mask) -> tuple[Integers, Integers]:
    """Each run as an integer and its number of bits. A run here is four words or more, so none is a literal."""
    kind = np.searchsorted([8, 16, 256], counts)  # which rle size holds the count: 0 to 3
    kind[is_long] = 3
    count_bits = np.array(RLE_SIZES)[kind]
    records = (((4 | kind) << count_bits | (counts - 1)) << WORD_BITS) | np.where(values, 255, 0)
    return records, count_bits + 3 + WORD_BITS


def _header(word_count: int) -> bytes:
    """Seven bytes, the last three bits of which are the first of the records."""
    header = word_count << 5 | WORD_BITS - 1
    for rle_size in RLE_SIZES:
        header = header << 4 | rle_size - 1
    return (header << 56 - HEADER_BITS).to_bytes(7, "big")


def _pack(word_count: int, records: Integers, lengths: Integers) -> list[int]:
    """The header and the lowest `lengths` bits of each record, highest bit first, one after the other."""
    ends = np.cumsum(lengths) + HEADER_BITS
    starts = ends - lengths
    first, shift = starts >> 3, 40 - (starts & 7) - lengths
    spread = records << shift  # 40 bits from the byte on in which the record starts
    total = int(ends[-1])
    packed = np.zeros((total >> 3) + 5, np.uint8)
    packed[:7] = np.frombuffer(_header(word_count), np.uint8)
    for place in range(5):  # a record has more than 8 bits, so no two of them start in the same byte
        packed[first + place] |= (spread >> (32 - 8 * place)).astype(np.uint8)
    return packed[: (total >> 3) + 1].tolist()  # with the zero byte that the SDK adds to whole bytes


def _to_bytes(rle: Sequence[int] | str) -> bytes:
    if isinstance(rle, str) and rle.startswith("["):
        rle = _parse_numbers(rle)
    if not isinstance(rle, (list, tuple, np.ndarray, bytes)):
        raise BadRle(f"A brush mask is a list of bytes, not {type(rle).__name__}.", remedy=REMEDY)
    try:
        data = bytes(rle)
    except (TypeError, ValueError) as error:
        raise BadRle(f"A brush mask is a list of whole numbers from 0 to 255: {error}.", remedy=REMEDY) from error
    if len(data) * 8 < HEADER_BITS:
        raise BadRle(f"The brush mask is truncated: {len(data)} bytes, less than its header.", remedy=REMEDY)
    return data


def _parse_numbers(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRle(f"The brush mask is no list of numbers: {error}.", remedy=REMEDY) from error


def _parse_header(data: bytes, size: Size) -> tuple[int, ...]:
    """Check word count and word size; return the four rle sizes in bits."""
    header = int.from_bytes(data[:7], "big") >> 3
    word_count, word_bits = header >> 21, (header >> 16 & 31) + 1
    if word_count != size.width * size.height * CHANNELS:
        message = (
            f"The brush mask holds {word_count} values, but {size} pixels make {size.width * size.height * CHANNELS}."
        )
        drawn = "It was drawn on another size than the result says (original_width, original_height)."
        raise BadRle(f"{message} {drawn}", remedy=REMEDY)
    if word_bits != WORD_BITS:
        raise BadRle(f"The brush mask has words of {word_bits} bits instead of {WORD_BITS}.", remedy=REMEDY)
    return tuple((header >> shift & 15) + 1 for shift in (12, 8, 4, 0))


def _record_starts(data: bytes, rle_sizes: tuple[int, ...]) -> Integers:
    """Where the records start, in bits; the one sequential step, so it is kept to a table look-up per repeated run."""
    octets = np.frombuffer(data + b"\0", np.uint8).astype(np.int64)
    table = _length_table(rle_sizes)[octets[:-1] << 2 | octets[1:] >> 6].tobytes() + bytes(MOST_RECORD_BITS)
    end, last = len(data) * 8, len(data) * 8 - 2
    lengths: list[int] = []
    append = lengths.append
    position, has_literals = HEADER_BITS, False
    while position < last:
        while length := table[position]:
            append(length)
            position += length
        if position >= last:
            break
        length = _literal_bits(data, position, rle_sizes)
        if position + length > end:
            break
        append(length)
        position += length
        has_literals = True
    if lengths and position > end:
        lengths.pop()
    # repeated runs have few bits, and a list becomes bytes in a quarter of the time that an array takes
    each = np.array(lengths, np.int64) if has_literals else np.frombuffer(bytes(lengths), np.uint8)
    return HEADER_BITS + np.cumsum(each, dtype=np.int64) - each


@lru_cache(maxsize=16)
def _length_table(rle_sizes: tuple[int, ...]) -> Integers:
    """For ten bits the lengths of the records that start at the first eight of them, a byte each.

    A record's length follows from its first three bits; it is 0 for literal words, whose count decides.
    """
    lengths = np.array([0, 0, 0, 0, *(3 + rle_size + WORD_BITS for rle_size in rle_sizes)], np.uint8)
    windows = np.arange(1024)[:, None] >> np.arange(7, -1, -1) & 7  # (1024, 8)
    table: Integers = lengths[windows].view(np.int64)[:, 0]
    return table


def _literal_bits(data: bytes, position: int, rle_sizes: tuple[int, ...]) -> int:
    """Bits of the record of literal words at `position`."""
    window = int.from_bytes(data[position >> 3 : (position >> 3) + 4].ljust(4, b"\0"), "big") << (position & 7)
    count_bits = rle_sizes[window >> 29 & 3]
    count = window >> (29 - count_bits) & (1 << count_bits) - 1
    return 3 + count_bits + (count + 1) * WORD_BITS


def _words(data: bytes, start: Integers, rle_sizes: tuple[int, ...]) -> tuple[Integers, Integers]:
    """Where each run ends, in words, and its word; a literal record is many runs of one."""
    padded = data + bytes(8)
    record = _read(padded, start, MOST_RECORD_BITS)  # and what follows it, if it is shorter
    code = record >> (MOST_RECORD_BITS - 3)
    count_bits = np.array(rle_sizes * 2, np.int64)[code]
    rest = MOST_RECORD_BITS - 3 - count_bits
    counts = (record >> rest & (1 << count_bits) - 1) + 1
    if len(code) and code.min() < 4:
        return _with_literals(padded, start + 3 + count_bits, counts, code < 4)
    return np.cumsum(counts), record >> (rest - WORD_BITS) & 255


def _with_literals(padded: bytes, word_at: Integers, counts: Integers, is_literal: Mask) -> tuple[Integers, Integers]:
    """The same where some records are literal: `word_at` is the first word's bit, `counts` how many there are."""
    copies = np.where(is_literal, counts, 1)
    within = np.arange(int(copies.sum())) - np.repeat(np.cumsum(copies) - copies, copies)
    word_at = np.repeat(word_at, copies) + within * WORD_BITS
    counts = np.repeat(np.where(is_literal, 1, counts), copies)
    return np.cumsum(counts), _read(padded, word_at, WORD_BITS)


def _read(padded: bytes, position: Integers, width: int) -> Integers:
    """Read `width` bits, up to 57, at each bit position; `padded` has 8 bytes more than there is to read."""
    windows = np.ndarray(len(padded) - 7, ">u8", padded, strides=(1,))[position >> 3].astype(np.uint64)
    read: Integers = (windows << (position & 7).astype(np.uint64) >> np.uint64(64 - width)).astype(np.int64)
    return read
