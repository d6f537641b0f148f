"""Bodies, from WSGI's bytes to an object."""

from __future__ import annotations

import io
from typing import Any

import pytest

from backend.errors import BadRequest, BodyTooLarge
from backend.server.request_body import body_broke_off, body_too_large, check_mimetype, parse_object, read_chunked


def chunked(body: bytes) -> dict[str, Any]:
    """A request without a Content-Length whose end the server sees."""
    return {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}


def test_a_body_of_unknown_length_is_read_to_its_end_if_that_is_within_the_limit() -> None:
    assert read_chunked(chunked(b"a" * 2000), 2000) == b"a" * 2000
    environ = chunked(b"a" * 2500)
    with pytest.raises(BodyTooLarge) as refused:
        read_chunked(environ, 2000)
    assert refused.value.message == "The body has more than 2000 bytes, more than the 2000 that are allowed."
    assert refused.value.http_status == 413
    assert len(environ["wsgi.input"].read()) == 499  # one byte over the limit tells enough


def test_a_body_whose_end_nobody_tells_is_not_read() -> None:
    environ = {"wsgi.input": io.BytesIO(b"{}")}
    assert read_chunked(environ, 2000) == b""
    assert environ["wsgi.input"].read() == b"{}"


def test_a_body_that_is_too_large_is_told_with_its_size_and_what_to_do() -> None:
    refusal = body_too_large(2_000_000, 1_000_000)
    assert refusal.message == "The body has 2000000 bytes, more than the 1000000 that are allowed."
    assert refusal.remedy == "Raise MAX_BODY_BYTES, or split the task."


@pytest.mark.parametrize(
    ("mimetype", "message"),
    [
        ("text/plain", "The body is text/plain, not application/json."),
        ("", "The body is of no content type, not application/json."),
    ],
)
def test_what_does_not_call_itself_json_is_refused(mimetype: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_mimetype(mimetype)
    assert refused.value.message == message
    check_mimetype("application/json")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is not JSON: "),
        (b"{", "The body is not JSON: "),
        (b"[]", "The body is a list, not an object."),
        (b"null", "The body is null, not an object."),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_object(body)
    assert refused.value.message.startswith(message)


def test_an_object_is_read_with_its_masks_as_text() -> None:
    assert parse_object(b'{"rle":[0,0,9],"a":[1]}') == {"rle": "[0,0,9]", "a": [1]}


def test_a_body_that_broke_off_is_told_with_how_long_nothing_came() -> None:
    refusal = body_broke_off()
    assert refusal.message == "The body broke off, or nothing came for 10 s in the middle of it."
    assert refusal.http_status == 408
