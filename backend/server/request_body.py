"""A request's body, from bytes to a JSON object, or what it is refused with.

Flask stays at the door (`app`), which knows how long the body is and whose connection it comes over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from backend.errors import BadRequest, BodyTooLarge, BodyTooSlow
from backend.label_studio.requests import parse_body
from backend.label_studio.results import json_type_of
from backend.server.client_socket import STALL_SECONDS


def check_mimetype(mimetype: str) -> None:
    """Refuse what does not call itself JSON, before its body is read.

    Raises:
        BadRequest: Another type, or none ("").
    """
    if mimetype != "application/json":
        raise BadRequest(
            f"The body is {mimetype or 'of no content type'}, not application/json.",
            remedy="Send JSON with Content-Type: application/json.",
        )


def read_chunked(environ: Mapping[str, Any], max_bytes: int) -> bytes:
    """The whole body of a request that does not say how long it is, counted as it is read.

    Args:
        environ: WSGI's.

    Raises:
        BodyTooLarge: Over the limit.
    """
    ends = environ.get("wsgi.input_terminated")  # else there is no telling where the body ends
    body: bytes = environ["wsgi.input"].read(max_bytes + 1) if ends else b""
    if len(body) > max_bytes:
        raise body_too_large(f"more than {max_bytes}", max_bytes)
    return body


def body_too_large(size: object, max_bytes: int) -> BodyTooLarge:
    """The refusal of a body of `size` bytes."""
    message = f"The body has {size} bytes, more than the {max_bytes} that are allowed."
    return BodyTooLarge(message, remedy="Raise MAX_BODY_BYTES, or split the task.")


def body_broke_off() -> BodyTooSlow:
    """The refusal of a body whose client stalled or went away in the middle."""
    message = f"The body broke off, or nothing came for {STALL_SECONDS:.0f} s in the middle of it."
    return BodyTooSlow(message, remedy="Send it again, in one go.")


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The document, which every route of the protocol wants to be an object.

    Raises:
        BadRequest: Not JSON, or another kind of document.
    """
    try:
        document = parse_body(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.", remedy="Send the JSON that Label Studio sends.") from error
    if not isinstance(document, dict):
        kind = "null" if document is None else json_type_of(document)
        raise BadRequest(f"The body is {kind}, not an object.", remedy="Send an object.")
    return document
