"""Request bodies, from WSGI's bytes to an object."""

from __future__ import annotations

import io
from typing import Any

import pytest

from backend.errors import BadRequest, BodyTooLarge
from backend.server.http_status import http_status_of
from backend.server.request_body import body_incomplete, body_too_large, check_mimetype, parse_object, read_chunked


def chunked(body: bytes) -> dict[str, Any]:
    """A request without a Content-Length whose end the server sees."""
    return {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}


def test_a_chunked_body_within_the_limit_is_read_to_its_end() -> None:
    assert read_chunked(chunked(b"a" * 2000), 2000) == b"a" * 2000
    environ = chunked(b"a" * 2500)
    with pytest.raises(BodyTooLarge) as refused:
        read_chunked(environ, 2000)
    assert refused.value.message == "The request body has more than 2000 bytes; the limit is 2000."
    assert http_status_of(refused.value) == 413
    assert len(environ["wsgi.input"].read()) == 499  # one byte over the limit is enough to know


def test_a_body_whose_end_is_unknown_is_not_read() -> None:
    environ = {"wsgi.input": io.BytesIO(b"{}")}
    assert read_chunked(environ, 2000) == b""
    assert environ["wsgi.input"].read() == b"{}"


def test_the_error_for_a_large_body_has_its_size_and_a_remedy() -> None:
    refusal = body_too_large(2_000_000, 1_000_000)
    assert refusal.message == "The request body has 2000000 bytes; the limit is 1000000."
    assert refusal.remedy == "Raise MAX_BODY_BYTES, or split the task."


@pytest.mark.parametrize(
    ("mimetype", "message"),
    [
        ("text/plain", "The Content-Type must be application/json, but is text/plain."),
        ("", "The Content-Type must be application/json, but is missing."),
    ],
)
def test_another_content_type_is_refused(mimetype: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check_mimetype(mimetype)
    assert refused.value.message == message
    check_mimetype("application/json")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The request body is not JSON: "),
        (b"{", "The request body is not JSON: "),
        (b"[]", "The request body must be a JSON object, but is a list."),
        (b"null", "The request body must be a JSON object, but is null."),
    ],
)
def test_a_body_that_is_not_an_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_object(body)
    assert refused.value.message.startswith(message)


def test_an_object_is_read_with_its_masks_as_text() -> None:
    assert parse_object(b'{"rle":[0,0,9],"a":[1]}') == {"rle": "[0,0,9]", "a": [1]}


def test_an_incomplete_body_is_refused_as_a_timeout() -> None:
    refusal = body_incomplete()
    assert refusal.message == "The request body is incomplete."
    assert http_status_of(refusal) == 408
