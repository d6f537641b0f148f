"""Image file directories (IFD): the structure of a TIFF file, and of the EXIF block in every other format.

A directory is a count and that many entries of tag, type, number of values, and the values or their offset:

    "II" 42 offset │ count │ tag type count value │ … │ offset of the next directory         (BigTIFF: 43, wider fields)

Source: TIFF 6.0, section 2; the BigTIFF proposal; EXIF 2.32, 4.6.8 (Orientation is one SHORT).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

ORIENTATION = 0x0112
MAX_ENTRIES = 4096  # real files have fewer than a hundred; the type of the count allows 65,535
_SHORT = 3
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass(frozen=True)
class Entry:
    """One entry: `raw` are its bytes in the directory, `nbytes` the size of its values, 0 for an unknown type."""

    tag: int
    type: int
    count: int
    nbytes: int
    raw: bytes


@dataclass(frozen=True)
class Directory:
    """The first directory of a file.

    Attributes:
        at: Its place in the file.
        order: Byte order as `struct` spells it, "<" or ">".
        is_big: Whether it is a BigTIFF.
    """

    at: int
    order: str
    is_big: bool
    entries: tuple[Entry, ...]

    @property
    def orientation(self) -> int:
        """1 to 8, as browsers read it: one SHORT, and 1 for anything else."""
        for entry in self.entries:
            if (entry.tag, entry.type, entry.count) == (ORIENTATION, _SHORT, 1):
                value = struct.unpack_from(f"{self.order}H", entry.raw, 12 if self.is_big else 8)[0]
                return value if 1 <= value <= 8 else 1
        return 1

    def encode(self, entries: Sequence[Entry]) -> bytes:
        """Encode a directory of these entries without a next one; no longer than this one if they are among its own."""
        count, end = ("Q", 8) if self.is_big else ("H", 4)
        return struct.pack(f"{self.order}{count}", len(entries)) + b"".join(e.raw for e in entries) + bytes(end)


def parse_directory(data: bytes) -> Directory:
    """Parse the first directory of a TIFF file or an EXIF block.

    Raises:
        ValueError: It is not one, is cut off, or has more than `MAX_ENTRIES` entries.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise ValueError(f"it starts with {data[:4]!r}, not with a byte order")
    try:
        is_big = data[2:3] == b"+"  # as PIL decides it, which does not read big-endian BigTIFF
        at = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, 8 if is_big else 4)[0]
        count = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, at)[0]
    except struct.error as error:
        raise ValueError("its directory lies outside of it") from error
    if count > MAX_ENTRIES:
        raise ValueError(f"its directory has {count} entries; the maximum is {MAX_ENTRIES}")
    start, length, fields = (at + 8, 20, "HHQ") if is_big else (at + 2, 12, "HHI")
    if start + count * length > len(data):
        raise ValueError(f"its directory of {count} entries is cut off")
    entries = []
    for place in range(start, start + count * length, length):
        tag, type_, values = struct.unpack_from(order + fields, data, place)
        entries.append(Entry(tag, type_, values, values * _TYPE_BYTES.get(type_, 0), data[place : place + length]))
    return Directory(at, order, is_big, tuple(entries))
