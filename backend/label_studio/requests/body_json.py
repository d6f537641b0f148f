"""Request bodies as JSON, except that brush masks stay text until somebody asks for one.

A task with 200 brush regions carries about a million numbers in their "rle" lists. Nobody looks at most of them, so
before the body is parsed each list is put in quotes, `"rle":[0,0,9]` becoming `"rle":"[0,0,9]"`, which a JSON library
reads at the speed of copying; `brush_rle` reads the text where a mask is wanted.

A list is found by the bytes `"rle"`, a colon and `[`, up to the next `]`. In JSON these can only be a key and its list:
within a string a quote has a backslash before it, and where the list holds a quote, a bracket or a brace it is left
alone. A body that is no JSON any more (a list with line breaks, which Label Studio does not send) is parsed as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

_KEY = b'"rle"'
_LIST = re.compile(rb"\s*:\s*(?=\[)")
_NO_NUMBERS = (b'"', b"[", b"{")


def parse_body(body: bytes) -> Any:
    """The document, in which the lists under "rle" may be their JSON text.

    Raises:
        orjson.JSONDecodeError: Not JSON.
    """
    quoted = b"".join(_quote_masks(body))
    try:
        return orjson.loads(quoted)
    except orjson.JSONDecodeError:
        return orjson.loads(body)


def _quote_masks(body: bytes) -> Iterator[bytes]:
    """The pieces of the body with its lists of numbers in quotes."""
    done, key = 0, body.find(_KEY)
    while key >= 0:
        after = key + len(_KEY)
        colon = _LIST.match(body, after)
        end = body.find(b"]", after) + 1
        if colon and end and body[key - 1 : key] != b"\\":
            numbers = body[colon.end() : end]
            if not any(mark in numbers[1:] for mark in _NO_NUMBERS):
                yield from (body[done : colon.end()], b'"', numbers, b'"')
                done = after = end
        key = body.find(_KEY, after)
    yield body[done:]
