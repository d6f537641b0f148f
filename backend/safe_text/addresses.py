"""Addresses with passwords in the settings: what of them may be shown, and which parts are secrets.

A misspelt address is shown only where it certainly has no part of the password outside of the user info and the query:
in `redis://:p@ss/w#rd@host` three parsers take three different parts for the host.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from backend.safe_text.secrets import REDACTED

MAX_PORT = 65535
_REDIS_SCHEMES = ("redis", "rediss", "unix")  # those that redis-py accepts
_TCP = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<user>[^\s@/?#\\\[\]]*@)?(?P<host>[\w.-]*|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?(?P<path>/\d*)?"
    r"(?P<query>\?[^\s@#]*)?",
    re.ASCII,
)
_SOCKET = re.compile(
    r"(?P<scheme>unix)://(?P<user>[^\s@/?#\\\[\]]*@)?(?P<host>)(?P<port>(?!))?(?P<path>/[^\s@?#:]*)(?P<query>\?[^\s@#]*)?"
)


def check_redis_url(url: str) -> str:
    """Return the URL if it is one that can be read in only one way, or "".

    Raises:
        ValueError: Saying what is wrong, without any part of the URL.
    """
    parts = _parse(url)
    if url and url.partition("://")[0] not in _REDIS_SCHEMES:
        raise ValueError("not a redis://, rediss:// or unix:// URL")
    if url and (parts is None or (parts["user"] and not (parts["host"] or parts["path"]))):
        raise ValueError("a URL with an invalid host or port (is the password percent-encoded?)")
    return url


def redact_address(url: str) -> str:
    """Return a URL without its user info and query; "***" for what is not clearly host, port and number."""
    parts = _parse(url)
    if parts is None or (parts["user"] and not (parts["host"] or parts["path"])):
        return REDACTED
    port = f":{parts['port']}" if parts["port"] else ""
    user = f"{REDACTED}@" if parts["user"] else ""
    return f"{parts['scheme']}://{user}{parts['host']}{port}{parts['path'] or ''}"


def list_secrets(value: str) -> list[str]:
    """Return what must not be shown of a setting that is a secret, or a URL with one: the value and its passwords."""
    _, separator, rest = value.partition("://")
    if not separator:
        return [value]
    user = rest.rpartition("@")[0]
    password = user.partition(":")[2] or user
    options = [text for name, text in parse_qsl(rest.partition("?")[2]) if "pass" in name]
    return [text for text in (value, password, unquote(password), *options) if text]


def _parse(url: str) -> re.Match[str] | None:
    match = _SOCKET.fullmatch(url) if url.startswith("unix://") else _TCP.fullmatch(url)
    return match if match and 0 < int(match["port"] or 1) <= MAX_PORT else None
