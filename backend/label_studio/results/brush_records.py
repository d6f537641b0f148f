"""The bit format below Label Studio's brush RLE: runs of words to bytes and back.

Format (thi.ng rle-pack, big-endian bits):

    32 bits  number of words
     5 bits  word size - 1: 7, a word is one byte
 4 x 4 bits  rle sizes - 1: 2, 3, 7, 15, so a count is written in 3, 4, 8 or 16 bits
  records    1 bit   1: one word repeated, 0: that many literal words
             2 bits  which of the rle sizes
             n bits  count - 1
             8 bits  the word (once if repeated, else count times)
  padding    zeros to a whole byte; label_studio_sdk adds a whole zero byte where none is needed, and so do we

Worked example: four words of 255 are `00000000 00000000 00000000 00000100` (4 words), `00111`, `0010 0011 0111 1111`,
then `1 00 011 11111111` (repeat, size 3 bits, 4 - 1, 255), and 5 zeros: [0, 0, 0, 4, 57, 27, 252, 127, 224] in bytes.

Source: https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from backend.errors import BadRle

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

HEADER_BITS = 53
WORD_BITS = 8
RLE_SIZES = (3, 4, 8, 16)
MAX_RUN = 1 << 16
MAX_RECORD_BITS = 1 + 2 + 16 + WORD_BITS
REMEDY = "The annotation is damaged: delete this region in Label Studio and draw it again."


def encode_records(word_count: int, counts: Integers, words: Integers) -> list[int]:
    """Pack runs of repeated words as label_studio_sdk does.

    Args:
        word_count: The sum of `counts`.
        counts: Length of each run; four or more, so that no run is cheaper as literal words.
        words: The word of each run, 0 to 255.
    """
    counts, words, is_cut = _split_long_runs(counts, words)
    kind = np.searchsorted([8, 16, 256], counts)  # index of the rle size that holds the count
    kind[is_cut] = 3
    count_bits = np.array(RLE_SIZES)[kind]
    records = (((4 | kind) << count_bits | (counts - 1)) << WORD_BITS) | words
    return _pack(word_count, records, count_bits + 3 + WORD_BITS)


def parse_header(data: bytes) -> tuple[int, tuple[int, ...]]:
    """Return the number of words and the four rle sizes in bits.

    Raises:
        BadRle: Shorter than a header, or words of another size than a byte.
    """
    if len(data) * 8 < HEADER_BITS:
        raise BadRle(f"The brush mask is truncated: {len(data)} bytes, less than its header.", remedy=REMEDY)
    header = int.from_bytes(data[:7], "big") >> 3
    word_count, word_bits = header >> 21, (header >> 16 & 31) + 1
    if word_bits != WORD_BITS:
        raise BadRle(f"The brush mask has words of {word_bits} bits instead of {WORD_BITS}.", remedy=REMEDY)
    return word_count, tuple((header >> shift & 15) + 1 for shift in (12, 8, 4, 0))


def decode_records(data: bytes, rle_sizes: tuple[int, ...]) -> tuple[Integers, Integers]:
    """Return where each run ends, in words, and its word. Every word of a literal record is a run of one.

    Bits that do not make a whole record are ignored, so truncated data has fewer words than its header says.
    """
    start = find_record_starts(data, rle_sizes)
    padded = data + bytes(8)
    record = _read_bits(padded, start, MAX_RECORD_BITS)  # a shorter record is followed by bits of the next one
    code = record >> (MAX_RECORD_BITS - 3)
    count_bits = np.array(rle_sizes * 2, np.int64)[code]
    rest = MAX_RECORD_BITS - 3 - count_bits
    counts = (record >> rest & (1 << count_bits) - 1) + 1
    if len(code) and code.min() < 4:
        return _expand_literals(padded, start + 3 + count_bits, counts, code < 4)
    return np.cumsum(counts), record >> (rest - WORD_BITS) & 255


def _split_long_runs(counts: Integers, words: Integers) -> tuple[Integers, Integers, Bools]:
    """Split runs longer than 65536 as the SDK does.

    The third array marks the pieces of a split run; their counts take 16 bits, also the short last one.
    """
    pieces = (counts + MAX_RUN - 1) // MAX_RUN
    if pieces.max() == 1:
        return counts, words, np.zeros(len(counts), bool)
    last = np.cumsum(pieces) - 1
    short = np.full(int(pieces.sum()), MAX_RUN, np.int64)
    short[last] = counts - (pieces - 1) * MAX_RUN
    return short, np.repeat(words, pieces), np.repeat(pieces > 1, pieces)


def _pack(word_count: int, records: Integers, lengths: Integers) -> list[int]:
    """Write the header, then the lowest `lengths` bits of each record, most significant bit first."""
    ends = np.cumsum(lengths) + HEADER_BITS
    starts = ends - lengths
    first, shift = starts >> 3, 40 - (starts & 7) - lengths
    spread = records << shift  # 40 bits from the byte in which the record starts
    total = int(ends[-1])
    packed = np.zeros((total >> 3) + 5, np.uint8)
    packed[:7] = np.frombuffer(_build_header(word_count), np.uint8)
    for place in range(5):  # a record has more than 8 bits, so no two of them start in the same byte
        packed[first + place] |= (spread >> (32 - 8 * place)).astype(np.uint8)
    return packed[: (total >> 3) + 1].tolist()  # with the zero byte that the SDK adds after whole bytes


def _build_header(word_count: int) -> bytes:
    """Return seven bytes; the last three bits belong to the first record."""
    header = word_count << 5 | WORD_BITS - 1
    for rle_size in RLE_SIZES:
        header = header << 4 | rle_size - 1
    return (header << 56 - HEADER_BITS).to_bytes(7, "big")


def find_record_starts(data: bytes, rle_sizes: tuple[int, ...]) -> Integers:
    """Find where the records start, in bits. It is the one sequential step: a table look-up per repeated run."""
    windows = np.ndarray(len(data), ">u2", data + b"\0", strides=(1,)) >> 6  # ten bits from each byte on
    table = _length_table(rle_sizes).take(windows).tobytes() + bytes(MAX_RECORD_BITS)
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
    """For each value of ten bits, the lengths of the records that start at the first eight of them, a byte each.

    A record's length follows from its first three bits; it is 0 for literal words, whose count decides.
    """
    lengths = np.array([0, 0, 0, 0, *(3 + rle_size + WORD_BITS for rle_size in rle_sizes)], np.uint8)
    windows = np.arange(1024)[:, None] >> np.arange(7, -1, -1) & 7  # (1024, 8)
    table: Integers = lengths[windows].view(np.int64)[:, 0]
    return table


def _literal_bits(data: bytes, position: int, rle_sizes: tuple[int, ...]) -> int:
    """Return the number of bits of the literal record at `position`."""
    window = int.from_bytes(data[position >> 3 : (position >> 3) + 4].ljust(4, b"\0"), "big") << (position & 7)
    count_bits = rle_sizes[window >> 29 & 3]
    count = window >> (29 - count_bits) & (1 << count_bits) - 1
    return 3 + count_bits + (count + 1) * WORD_BITS


def _expand_literals(
    padded: bytes, first_word: Integers, counts: Integers, is_literal: Bools
) -> tuple[Integers, Integers]:
    """Return ends and words where some records are literal; `first_word` is the bit position of a record's word."""
    copies = np.where(is_literal, counts, 1)
    within = np.arange(int(copies.sum())) - np.repeat(np.cumsum(copies) - copies, copies)
    position = np.repeat(first_word, copies) + within * WORD_BITS
    counts = np.repeat(np.where(is_literal, 1, counts), copies)
    return np.cumsum(counts), _read_bits(padded, position, WORD_BITS)


def _read_bits(padded: bytes, position: Integers, width: int) -> Integers:
    """Read `width` bits, at most 57, at each bit position; `padded` has 8 more bytes than there are to read."""
    windows = np.ndarray(len(padded) - 7, ">u8", padded, strides=(1,))[position >> 3].astype(np.uint64)
    read: Integers = (windows << (position & 7).astype(np.uint64) >> np.uint64(64 - width)).astype(np.int64)
    return read
