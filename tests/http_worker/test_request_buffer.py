"""Requests from bytes, however they are cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from gunicorn.http.errors import ParseException
from hypothesis import given
from hypothesis import strategies as st

from backend.http_worker.body import FREE_CHUNKS, ChunkedBody, SizedBody
from backend.http_worker.request_buffer import RequestBuffer

HEADER = b"POST /predict HTTP/1.1\r\nHost: a\r\n"


def buffer(max_body_bytes: int = 10**6) -> RequestBuffer:
    return RequestBuffer(Config(), ("127.0.0.1", 1), max_body_bytes)


def bodies_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bodies of the requests in `data`, which arrives in parts."""
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    requests, found = buffer(), []
    for start, end in pairwise(borders):
        is_whole = requests.feed(data[start:end])
        while is_whole:
            found.append(next(requests).body.read())
            is_whole = requests.feed(b"")
    assert not requests.has_begun
    return found


def chunked(chunks: list[bytes], extension: bytes = b"") -> bytes:
    framed = b"".join(b"%X%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks if chunk)
    return HEADER + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\nX-Sum: 1\r\n\r\n"


@given(
    chunks=st.lists(st.binary(max_size=300), max_size=6),
    sized=st.binary(max_size=300),
    extension=st.sampled_from([b"", b";a", b'; a="b;c"']),
    cuts=st.lists(st.integers(0, 10**4), max_size=8),
)
def test_pipelined_bodies_are_gunicorns_own_however_the_bytes_are_cut(
    chunks: list[bytes], sized: bytes, extension: bytes, cuts: list[int]
) -> None:
    data = chunked(chunks, extension) + HEADER + b"Content-Length: %d\r\n\r\n" % len(sized) + sized + HEADER + b"\r\n"
    theirs = [request.body.read() for request in RequestParser(Config(), iter([data]), ("127.0.0.1", 1))]
    assert bodies_of(data, cuts) == theirs == [b"".join(chunks), sized, b""]


@given(line=st.binary(max_size=12).filter(lambda line: b"\n" not in line))
def test_what_gunicorn_refuses_as_a_chunk_size_is_refused(line: bytes) -> None:
    data = HEADER + b"Transfer-Encoding: chunked\r\n\r\n" + line + b"\r\nab\r\n0\r\n\r\n"
    try:
        theirs = next(RequestParser(Config(), iter([data]), ("127.0.0.1", 1))).body.read()
    except ParseException:
        theirs = None
    except OSError:  # more is expected than there is
        return
    try:
        body = ChunkedBody(1000)
        body.feed(line + b"\r\nab\r\n0\r\n\r\n")
        ours = bytes(body.content) if body.is_whole else None
    except ParseException:
        ours = None
    if ours != theirs:
        assert theirs is None
        is_last_chunk = not line.split(b";")[0].strip().strip(b"0")
        assert b";" in line or is_last_chunk  # extensions and trailers are ignored, so they are not checked


@pytest.mark.parametrize("size", [b"zz", b"-2", b"+2", b"0x2", b"2_0", b"", b" 2", b"2 2", b"g" * 5000, b"1" * 17])
def test_chunk_sizes_that_are_not_hexadecimal_are_refused(size: bytes) -> None:
    with pytest.raises(ParseException):
        ChunkedBody(1000).feed(size + b"\r\n")


def test_a_chunked_body_is_not_read_beyond_the_limit() -> None:
    body = ChunkedBody(10)
    body.feed(b"8\r\n12345678\r\n8\r\n123")
    assert (body.is_whole, body.is_cut, bytes(body.content)) == (True, True, b"12345678123")


def test_many_very_small_chunks_are_refused_and_many_small_ones_are_not() -> None:
    with pytest.raises(ParseException, match="less than 512 bytes on average"):
        ChunkedBody(10**6).feed(b"1\r\na\r\n" * (FREE_CHUNKS + 100))
    body = ChunkedBody(10**7)
    body.feed((b"200\r\n" + b"a" * 512 + b"\r\n") * 5000)
    assert len(body.content) == 5000 * 512


def test_a_body_over_the_limit_is_handed_over_without_its_bytes_and_ends_the_connection() -> None:
    requests = buffer(max_body_bytes=10)
    assert requests.feed(HEADER + b"Content-Length: 11\r\n\r\nabcdefghijk")
    request = next(requests)
    assert (request.body.read(), request.should_close(), requests.held_bytes) == (b"", True, 0)


def test_held_bytes_are_those_that_have_arrived() -> None:
    requests = buffer()
    assert not requests.feed(HEADER)
    assert requests.held_bytes == len(HEADER)
    assert not requests.feed(b"Content-Length: 5\r\n\r\nabc")
    assert requests.held_bytes == 3
    assert requests.feed(b"deGET")
    assert next(requests).body.read() == b"abcde"
    assert requests.held_bytes == 3


def test_what_follows_a_body_of_known_size_is_returned() -> None:
    body = SizedBody(3)
    assert (body.feed(b"ab"), body.is_whole) == (b"", False)
    assert (body.feed(b"cde"), body.is_whole) == (b"de", True)


def test_twice_the_bytes_take_about_twice_the_time() -> None:
    def feed(count: int) -> float:
        body, data = ChunkedBody(10**9), b"200\r\n" + b"a" * 512 + b"\r\n"
        started = time.process_time()
        for _ in range(count):
            body.feed(data)
        return time.process_time() - started

    feed(5_000)
    ratio = min(feed(20_000) / feed(10_000) for _ in range(5))
    assert ratio < 2.5
