"""RequestBuffer: the bytes of a connection, until a request is whole."""

from __future__ import annotations

import io
import re
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import InvalidHeader, InvalidRequestLine, LimitRequestHeaders, NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from backend.http_worker.body import ChunkedBody, SizedBody

MAX_HEADER_BYTES = 64 << 10
_BARE_LF = re.compile(rb"(?<!\r)\n")


class RequestBuffer:
    """Requests of one connection, assembled from the bytes that arrive.

    It replaces gunicorn's parser, which reads from the socket: `next` returns the request that is whole, with its body
    in memory. gunicorn's own code parses the header and decides where the body ends.

    Args:
        cfg: gunicorn's configuration.
        address: Of the client, as `accept` returns it.
        max_body_bytes: A larger body is not buffered; `next` returns the request without it, to be refused.
    """

    def __init__(self, cfg: Any, address: Any, max_body_bytes: int) -> None:
        self._cfg, self._address, self._max_body_bytes = cfg, address, max_body_bytes
        self._pending = bytearray()  # of a header, or of pipelined requests
        self._searched_bytes = 0  # of `_pending`, in which no header ends
        self._request: Any = None
        self._body: SizedBody | ChunkedBody = SizedBody(0)
        self._request_count = 0

    @property
    def held_bytes(self) -> int:
        return len(self._pending) + self._body.held_bytes

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has arrived."""
        return bool(self._pending) or self._request is not None

    def feed(self, data: bytes) -> bool:
        """Add bytes; return whether a request is whole.

        Raises:
            ParseException: Not HTTP, or over a limit.
        """
        if self._request is None:
            self._pending += data
            data = b""
            if not self._take_header():
                return False
            data, self._pending = bytes(self._pending), bytearray()
        rest = self._body.feed(data)
        if self._body.is_cut:
            self._request.force_close()
        if self._body.is_whole and not self._request.must_close:
            self._pending += rest
        return self._body.is_whole

    def take_expectation(self) -> bool:
        """Return, once for a request, whether its client waits for "100 Continue" before it sends the body."""
        expects = self._request is not None and self._request._expected_100_continue
        if expects:
            self._request._expected_100_continue = False
        return bool(expects)

    def discard(self) -> None:
        """Forget what has arrived; the connection is about to be closed."""
        self._request, self._body, self._pending = None, SizedBody(0), bytearray()

    def __next__(self) -> Any:
        """Return the request that is whole, as gunicorn's parser does."""
        request, body = self._request, self._body
        request.body = io.BytesIO(body.content)
        request._expected_100_continue = False
        self._request, self._body = None, SizedBody(0)
        return request

    def finish_body(self, deadline: float | None = None) -> bool:
        """Return True, because no body is left on the socket; gunicorn asks before it keeps a connection."""
        return True

    def _take_header(self) -> bool:
        """Parse the header; return whether it was there."""
        start = max(self._searched_bytes - 3, 0)
        end = self._pending.find(b"\r\n\r\n", start)
        if (len(self._pending) if end < 0 else end) > MAX_HEADER_BYTES:
            raise LimitRequestHeaders(f"the header has more than {MAX_HEADER_BYTES} bytes")
        if end < 0:
            if _BARE_LF.search(self._pending, start):
                raise InvalidHeader("bare LF as line terminator")
            self._searched_bytes = len(self._pending)
            return False
        header = bytes(self._pending[: end + 4])
        del self._pending[: end + 4]
        self._searched_bytes = 0
        self._request_count += 1
        self._request = self._parse(header)
        self._body = self._build_body()
        return True

    def _parse(self, header: bytes) -> Any:
        try:
            return Request(self._cfg, IterUnreader([header]), self._address, self._request_count)
        except (NoMoreData, StopIteration) as error:
            raise InvalidRequestLine(header.decode("latin-1")) from error

    def _build_body(self) -> SizedBody | ChunkedBody:
        reader = self._request.body.reader
        if isinstance(reader, ChunkedReader):
            return ChunkedBody(self._max_body_bytes)
        if reader.length <= self._max_body_bytes:
            return SizedBody(reader.length)
        self._request.force_close()
        return SizedBody(0)
