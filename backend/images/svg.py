"""Recognition of SVG drawings, which Label Studio accepts and shows, by their first element."""

from __future__ import annotations

import re
import zlib

_MAX_HEAD = 65_536  # bytes; drawing programs write comments and a document type before the first element
_GZIP = b"\x1f\x8b"
_START, _END = "<!--", "-->"
_ELEMENT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,99}:)?([A-Za-z_][\w.-]{0,99})")


def is_svg(data: bytes) -> bool:
    """Whether a file is an SVG drawing, also a compressed one (.svgz): XML whose first element is `svg`."""
    text = _decode(_read_head(data)).lstrip("\ufeff \t\r\n")
    first = _ELEMENT.search(_drop_comments(text)) if text.startswith("<") else None
    return first is not None and first[1] == "svg"


def _read_head(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data[:_MAX_HEAD]
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data[:_MAX_HEAD], _MAX_HEAD)
    except zlib.error:
        return b""


def _decode(head: bytes) -> str:
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    return head.decode(encoding, "replace")


def _drop_comments(text: str) -> str:
    """Remove the comments, in one pass; an unfinished one reaches to the end."""
    before, *parts = text.split(_START)
    return before + "".join(part.partition(_END)[2] for part in parts)
