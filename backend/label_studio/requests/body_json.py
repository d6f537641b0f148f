"""JSON parser for request bodies that leaves brush masks as text until they are needed.

A task with 200 brush regions carries about a million numbers in its "rle" lists, most of which are never read. Each
list is therefore quoted before parsing: `"rle":[0,0,9]` becomes `"rle":"[0,0,9]"`, which a JSON library reads as fast
as it can copy. `brush_rle` parses the text when a mask is needed.

A list starts at the bytes `"rle"`, a colon and `[`, and ends at the next `]`. In JSON these bytes can only be a key and
its list: inside a string the quotes are escaped, and a list that contains a quote, a bracket or a brace is left
unchanged. If quoting makes the body invalid (a list with line breaks, which Label Studio does not send), the original
body is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from backend.label_studio.config import check_depth

_KEY = b'"rle"'
_LIST = re.compile(rb"\s*:\s*(?=\[)")
_NOT_NUMBERS = (b"[", b"{")


def parse_body(body: bytes) -> Any:
    """Parse a request body. The lists under "rle" may be their JSON text.

    Raises:
        orjson.JSONDecodeError: Not JSON.
        JsonTooDeep: Too many lists and objects in each other.
    """
    quoted = b"".join(_quote_masks(body))
    try:
        document = orjson.loads(quoted)
    except orjson.JSONDecodeError:
        document = orjson.loads(body)
    return check_depth(document)


def _quote_masks(body: bytes) -> Iterator[bytes]:
    """Yield the pieces of the body with its "rle" lists in quotes.

    No byte is searched twice for the end of a list: the search stops at the next quote, where the next key begins.
    """
    copied_to, key = 0, body.find(_KEY)
    while key >= 0:
        after = key + len(_KEY)
        colon = _LIST.match(body, after)
        if colon and body[key - 1 : key] != b"\\":
            start, quote = colon.end(), body.find(b'"', colon.end())
            end = body.find(b"]", start, quote if quote >= 0 else len(body)) + 1
            numbers = body[start:end]
            if end and not any(mark in numbers[1:] for mark in _NOT_NUMBERS):
                yield from (body[copied_to:start], b'"', numbers, b'"')
                copied_to = after = end
        key = body.find(_KEY, after)
    yield body[copied_to:]
