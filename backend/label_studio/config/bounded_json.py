"""JSON parser with a limit on nesting, for request bodies and for the JSON texts inside them.

A document that passes can be copied, printed and written as JSON without a `RecursionError`: Python allows about 1000
calls in each other, and a level of nesting takes one or more. The parser is orjson, which refuses NaN, infinite numbers
and halves of surrogate pairs, so none of these reaches a reply.
"""

from __future__ import annotations

from typing import Any

import orjson

MAX_DEPTH = 100  # lists and objects in each other; Label Studio's own bodies have about ten levels


class JsonTooDeep(ValueError):
    """JSON with too many lists and objects in each other."""

    def __init__(self) -> None:
        super().__init__(f"nested more than {MAX_DEPTH} levels deep")


def parse_json(text: bytes | str) -> Any:
    """Parse JSON.

    Raises:
        orjson.JSONDecodeError: Not JSON. It is a ValueError.
        JsonTooDeep: Nested more than `MAX_DEPTH` levels deep. It is a ValueError too.
    """
    return check_depth(orjson.loads(text))


def check_depth(document: Any) -> Any:
    """Return a parsed document. Raises `JsonTooDeep` if it is nested more than `MAX_DEPTH` levels deep."""
    level: list[Any] = [[document]]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for value in level
            for inner in (value.values() if type(value) is dict else value)
            if type(inner) is list or type(inner) is dict  # the parser makes no subclasses
        ]
        if not level:
            return document
    raise JsonTooDeep
