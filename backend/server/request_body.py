"""Request bodies: reading and parsing them, and the errors for those that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import request
from werkzeug.exceptions import ClientDisconnected

from backend.errors import BadRequest, BodyTooLarge, BodyTooSlow
from backend.label_studio.config import JsonTooDeep
from backend.label_studio.requests import parse_body
from backend.label_studio.results import json_type_of


def read_json() -> Mapping[str, Any]:
    """Read the JSON object in the current request's body.

    Raises:
        BadRequest: Not JSON or not an object, too large, or incomplete.
    """
    check_mimetype(request.mimetype)
    try:
        body = _read_body()
    except (ClientDisconnected, OSError) as error:  # under servers that read the body only now
        raise body_incomplete() from error
    return parse_object(body)


def _read_body() -> bytes:
    """Read the whole body; werkzeug refuses one whose Content-Length is over the limit before it is read."""
    if request.content_length is None:
        return read_chunked(request.environ, request.max_content_length or 0)
    return request.get_data(cache=False)


def check_mimetype(mimetype: str) -> None:
    """Refuse a body that is not declared as JSON, before it is read.

    Args:
        mimetype: Of the Content-Type header; "" without one.

    Raises:
        BadRequest: Not application/json.
    """
    if mimetype != "application/json":
        raise BadRequest(
            f"The Content-Type must be application/json, but is {mimetype or 'missing'}.",
            remedy="Send JSON with Content-Type: application/json.",
        )


def read_chunked(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """Read the whole body of a request without a Content-Length, up to the limit.

    Args:
        environ: The WSGI environment.

    Raises:
        BodyTooLarge: Over the limit.
    """
    ends = environ.get("wsgi.input_terminated")  # without it, the end of the body is unknown
    body: bytes = environ["wsgi.input"].read(max_bytes + 1) if ends else b""
    if len(body) > max_bytes:
        raise body_too_large(f"more than {max_bytes}", max_bytes)
    return body


def body_too_large(size: object, max_bytes: int) -> BodyTooLarge:
    """Build the error for a body of `size` bytes."""
    message = f"The request body has {size} bytes; the limit is {max_bytes}."
    return BodyTooLarge(message, remedy="Raise MAX_BODY_BYTES, or split the task.")


def body_incomplete() -> BodyTooSlow:
    """Build the error for a body whose client disconnected, or for which the server did not wait longer."""
    return BodyTooSlow("The request body is incomplete.", remedy="Send the request again.")


def parse_object(body: bytes) -> Mapping[str, Any]:
    """Parse a JSON object.

    Raises:
        BadRequest: Not JSON, nested too deeply, or not an object.
    """
    try:
        document = parse_body(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"The request body is not JSON: {error}.", remedy="Send the JSON that Label Studio sends."
        ) from error
    except JsonTooDeep as error:
        raise BadRequest(
            f"The request body is {error}.", remedy="Send lists and objects that are nested less deeply."
        ) from error
    if not isinstance(document, dict):
        kind = "null" if document is None else json_type_of(document)
        raise BadRequest(f"The request body must be a JSON object, but is {kind}.", remedy="Send an object.")
    return document
