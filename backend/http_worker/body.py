"""Bodies of requests, decoded as their bytes arrive.

A chunked body (RFC 9112, section 7.1) is a sequence of `SIZE [;extension] CRLF DATA CRLF` with SIZE in hexadecimal. The
size 0, trailer lines and an empty line end it: `4\\r\\nWiki\\r\\n0\\r\\n\\r\\n` is `Wiki`. Extensions and trailers are
ignored.
"""

from __future__ import annotations

import re

from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, LimitRequestHeaders, ParseException

MAX_LINE_BYTES = 4096
MAX_TRAILER_BYTES = 8192
FREE_CHUNKS = 1024  # of any size; beyond them the average chunk must have at least MIN_CHUNK_BYTES
MIN_CHUNK_BYTES = 512
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?")


class SizedBody:
    """Body of a known size."""

    is_cut = False

    def __init__(self, size: int) -> None:
        self.content = bytearray()
        self._size = size

    @property
    def is_whole(self) -> bool:
        return len(self.content) == self._size

    @property
    def held_bytes(self) -> int:
        return len(self.content)

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body; return what follows it."""
        missing = self._size - len(self.content)
        self.content += data[:missing]
        return data[missing:]


class ChunkedBody:
    """Body in chunks.

    Attributes:
        content: The decoded bytes.
        is_whole: Whether there is nothing more to read.
        is_cut: Whether the rest is not read because the body exceeds the limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self.content = bytearray()
        self.is_whole = self.is_cut = False
        self._max_bytes = max_bytes
        self._pending = bytearray()  # bytes that are not decoded yet
        self._missing = 0  # bytes of the current chunk
        self._chunks = 0
        self._trailer_bytes = 0
        self._next = self._read_size

    @property
    def held_bytes(self) -> int:
        return len(self.content) + len(self._pending)

    def feed(self, data: bytes) -> bytes:
        """Decode what belongs to the body; return what follows it.

        Raises:
            ParseException: Not a chunked body, or one of very many very small chunks.
        """
        self._pending += data
        while not self.is_whole and self._next():
            if len(self.content) > self._max_bytes:
                self.is_whole = self.is_cut = True
        return bytes(self._pending) if self.is_whole else b""

    def _read_size(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise InvalidChunkSize(line[:60])
        self._missing = int(match[1], 16)
        self._chunks += 1
        if self._chunks > FREE_CHUNKS + len(self.content) // MIN_CHUNK_BYTES:
            raise ParseException(f"The chunks have less than {MIN_CHUNK_BYTES} bytes on average")
        self._next = self._read_data if self._missing else self._read_trailer
        return True

    def _read_data(self) -> bool:
        part = self._pending[: self._missing]
        del self._pending[: self._missing]
        self.content += part
        self._missing -= len(part)
        if not self._missing:
            self._next = self._read_end_of_data
        return bool(part)

    def _read_end_of_data(self) -> bool:
        if not b"\r\n".startswith(self._pending[:2]):
            raise ChunkMissingTerminator(bytes(self._pending[:2]))
        if len(self._pending) < 2:
            return False
        del self._pending[:2]
        self._next = self._read_size
        return True

    def _read_trailer(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        self._trailer_bytes += len(line) + 2
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise LimitRequestHeaders(f"the trailer has more than {MAX_TRAILER_BYTES} bytes")
        self.is_whole = not line
        return True

    def _take_line(self) -> bytes | None:
        """Take a line without its end; return None while its end has not arrived."""
        end = self._pending.find(b"\r\n", 0, MAX_LINE_BYTES)
        if end < 0:
            if len(self._pending) >= MAX_LINE_BYTES:
                raise InvalidChunkSize(f"a line of more than {MAX_LINE_BYTES} bytes".encode())
            return None
        line = bytes(self._pending[:end])
        del self._pending[: end + 2]
        return line
