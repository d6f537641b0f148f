"""A JSON list of objects to the texts of the objects, one at a time, such as Label Studio's JSON export to its tasks.

Only the ends of the objects are searched for, over whole blocks of bytes at once; orjson then parses each. A mask is
thousands of small numbers, and a parser that reports each of them, such as ijson, takes four times as long as both.

Worked example: `[{"id": 1}, {"id": 2}]` is the documents `{"id": 1}` and `{"id": 2}`. An object ends at the brace that
closes the first one, where braces within strings do not count, and a quote after an odd number of backslashes ends no
string.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from backend.errors import ExportError, shorten

BLOCK_BYTES = 1 << 20
REMEDY = "Export the project from Label Studio as JSON (not JSON-MIN) once more."
_WHITE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_QUOTE, _BACKSLASH, _OPEN, _CLOSE = b'"\\{}'


def split_documents(file: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the text of each object of a JSON list of objects, without parsing it.

    Raises:
        ExportError: Not a list of objects, or one that does not end.
    """
    buffer, number, before = _read_start(file, block_bytes), 0, b""
    while True:
        start = 0
        for end in _find_ends(buffer).tolist():
            opening = buffer.index(b"{", start)
            _check_between(buffer[start:opening], before, number)
            yield buffer[opening:end]
            start, before, number = end, b",", number + 1
        rest = buffer[start:].lstrip(_WHITE)
        if rest.startswith(b"]"):
            _check_between(rest[1:] + file.read(), b"", number)
            return
        more = file.read(max(block_bytes, len(rest)))  # a long object is searched again, at twice the length
        if not more:
            _check_between(rest.partition(b"{")[0], rest[: len(before)] and before, number)
            raise ExportError(f"The file ends after {number} tasks, in the middle of its list.", remedy=REMEDY)
        buffer = rest + more


def _read_start(file: BinaryIO, block_bytes: int) -> bytes:
    """Return what follows the bracket that opens the list."""
    start = file.read(max(block_bytes, 16)).removeprefix(_BOM).lstrip(_WHITE)
    if not start.startswith(b"["):
        raise ExportError(f"The file is not a JSON list, but begins with {shorten(start[:20])}.", remedy=REMEDY)
    return start[1:]


def _check_between(text: bytes, expected: bytes, number: int) -> None:
    if text.strip(_WHITE) != expected:
        where = f"After task {number}" if number else "At the start of the list"
        message = f"{where} there is {shorten(text.strip(_WHITE)[:40])} instead of a task."
        raise ExportError(message, remedy=REMEDY)


def _find_ends(buffer: bytes) -> NDArray[np.int64]:
    """Return the position after each object that ends in the buffer, which begins outside of all objects."""
    octets = np.frombuffer(buffer, np.uint8)
    at = np.flatnonzero((octets == _QUOTE) | (octets == _OPEN) | (octets == _CLOSE))
    found = octets[at]
    is_quote = found == _QUOTE
    if b"\\" in buffer:
        is_quote &= ~_is_escaped(buffer, octets, at)
    is_outside = np.cumsum(is_quote) % 2 == 0
    steps = np.where(found == _OPEN, 1, -1) * (is_outside & (found != _QUOTE))
    ends: NDArray[np.int64] = at[(np.cumsum(steps) == 0) & (steps == -1)] + 1
    return ends


def _is_escaped(buffer: bytes, octets: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the positions stand after an odd number of backslashes."""
    escaped = np.zeros(len(at), bool)
    for index in np.flatnonzero(octets[at - 1] == _BACKSLASH).tolist():
        position = int(at[index])
        if position:
            before = buffer[max(0, position - 64) : position]
            slashes = len(before) - len(before.rstrip(b"\\"))
            if slashes == len(before) == 64:  # rare, so the long way
                slashes = position - len(buffer[:position].rstrip(b"\\"))
            escaped[index] = slashes % 2 == 1
    return escaped
