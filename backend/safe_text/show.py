"""`show`: anything from outside as one line that is safe in a message, a reply, a page and a log."""

from __future__ import annotations

import re

from backend.safe_text.secrets import REDACTED, hide_secrets
from backend.safe_text.urls import hide_in_url, hide_urls

MAX_SHOWN_CHARACTERS = 200
_LOOKAHEAD = 2048  # characters that are read beyond the limit, so that none is cut inside a URL's user info
_JOINERS = "\u200c\u200d"  # needed in Persian words and in emoji; they neither reorder nor hide text
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CREDENTIALS = re.compile(
    r"""
    \b(?P<name>x-(?:amz|goog|oss|ms|cos)-[a-z-]{1,40}|[a-z_]{0,20}(?:signature|token|passw(?:or)?d|secret|api_?key)
        |sig|sessionid|csrftoken|googleaccessid|awsaccesskeyid)=[^\s&"',;)]+
    | \b(?P<scheme>Bearer|Basic|Token)\ [A-Za-z0-9+/=._~-]{16,}
    | \b(?P<header>(?:set-)?cookie(?=['"]?[:,]\s*(?:b?['"])?[^\s=;,'"]{1,100}=)|(?:proxy-)?authorization|x-api-key)
        (?P<separator>['"]\s*[:,]\s*(?:b?['"])|:\s*)[^\r\n'"]+
    | (?P<key>["'][a-z_-]{0,20}(?:signature|token|passw(?:or)?d|secret|api_?key)["']\s*:\s*["'])[^"'\r\n]+
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*
    """,
    re.VERBOSE | re.IGNORECASE,
)


def show(value: object, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """Format a foreign value in one line of at most `max_characters`; never raises.

    Control characters and those that reorder text are escaped as in Python's `repr`. URLs lose their user info and
    query, wherever they stand in the text. A request can carry 30 MB; only its start is read.
    """
    text = value if isinstance(value, str) else _format(value)
    readable = hide_confidential(text[: max_characters + _LOOKAHEAD])
    shown = escape_controls(readable)
    if shown != readable:
        shown = hide_confidential(shown)  # escaped it may be a URL, whose query is hidden when it is shown again, too
    is_cut = len(shown) > max_characters or len(text) > max_characters + _LOOKAHEAD
    return f"{shown[: max_characters - 1]}…" if is_cut else shown


def show_url(uri: str, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """Format the URI of an image for messages and logs: as `show`, for a text that is one URI as a whole."""
    return show(hide_in_url(uri[: max_characters + _LOOKAHEAD]), max_characters)


def hide_confidential(text: str) -> str:
    """Hide registered secrets, what is confidential in URLs, and what is marked as a signature, password or token."""
    text = hide_urls(hide_secrets(text))
    return _CREDENTIALS.sub(_hide_credential, text) if _may_have_credentials(text.lower()) else text


def escape_controls(text: str) -> str:
    """Escape what is not printable: line breaks, terminal sequences, marks that reorder text, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(map(_escape, text))


def _may_have_credentials(lowered: str) -> bool:
    """Whether `_CREDENTIALS` may match; the pattern takes thirty times as long, and every log line is searched."""
    has_scheme = "bearer " in lowered or "basic " in lowered or "token " in lowered
    has_header = "cookie" in lowered or "authoriz" in lowered or "-key" in lowered
    has_key = "passw" in lowered or "secret" in lowered or "token" in lowered or "signature" in lowered
    return has_scheme or has_header or has_key or "=" in lowered or "eyj" in lowered


def _escape(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if character.isspace() and character not in "\n\r\t\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "  # such as the no-break space
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def _hide_credential(match: re.Match[str]) -> str:
    if match["name"]:
        return f"{match['name']}={REDACTED}"
    if match["scheme"]:
        return f"{match['scheme']} {REDACTED}"
    if match["key"]:
        return f"{match['key']}{REDACTED}"
    if match["header"]:
        return f"{match['header']}{match['separator']}{REDACTED}"
    return REDACTED


def _format(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # an integer of thousands of digits, deeply nested lists, an exception of a library
        return f"an unprintable {type(value).__name__} ({type(error).__name__})"
