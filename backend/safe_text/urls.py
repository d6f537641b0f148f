"""URLs without what may be confidential in them: the user info, the query and the fragment.

The query of a presigned URL holds its signature, and the fragment may hold a token, so both are dropped, whatever the
parameters are called. Only the path of a local file in Label Studio is kept: "/data/local-files/?d=a/b.png".

| URL                                         | shown as                    |
|---------------------------------------------|-----------------------------|
| https://me:password@a.org/b.png?Signature=x | https://***@a.org/b.png     |
| https:/a.org/b.png?Signature=x              | https:/a.org/b.png          |
| //a.org/b.png?Signature=x                   | //a.org/b.png               |
| /data/local-files/?d=a.png&token=x          | /data/local-files/?d=a.png  |
| data:image/png;base64,iVBORw0KGgo=          | data:image/png;base64,…     |
| redis://:pass/word@host                     | redis://***                 |
"""

from __future__ import annotations

import re

from backend.safe_text.secrets import REDACTED

MAX_HOST_CHARACTERS = 260  # a host name has at most 253, then comes the port

# A quote ends a URL in a text only where something follows that ends a quotation.
# A line break does not end it: a URL with one would leave the rest of its query to be shown.
_REST = r"""(?:[^ \t"'<>`]|["'<>`](?=[^\s,.;:!)\]}>]))"""
_IN_TEXT = re.compile(
    rf"""
    (?P<data>\bdata:){_REST}+
    | (?P<start>[/\\]{{2,}} | \b(?:https?|wss?|s?ftp|rediss?|unix):[/\\]?(?![/\\])){_REST}+
    | (?:[?\#]|%3f){_REST}+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COLON = re.compile(r":\S")
_START = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}:[/\\]*|[/\\]{2,})")
_END_OF_PATH = re.compile(r"[?#]")
_ENCODED_QUERY = re.compile(r"%3f", re.IGNORECASE)
_HOST = re.compile(r"(?:[^:@\[\]]*|\[[0-9a-f:.%]*\]?)(?::\d{0,5})?", re.IGNORECASE)
_PUNCTUATION = ".,;:!)]}…'\"`"
_LOCAL_FILE = re.compile(r"local-files/\?d=([^?&#;=@]*)")
_ENCODED_DELIMITERS = re.compile(r"%(?:3f|26|3d|23|40|3b)", re.IGNORECASE)


def hide_in_url(url: str) -> str:
    """Drop the confidential parts of a text that is one URL, absolute or relative, well-formed or not."""
    if url[:5].lower() == "data:":
        return _data_url(url)
    start = _START.match(url)
    prefix = start.group() if start else ""
    return prefix + _hide_rest(url[len(prefix) :], has_host=bool(start))


def hide_urls(text: str) -> str:
    """Drop the confidential parts of all URLs in a text, and of what looks like the query of one."""
    if "//" in text or "?" in text or "#" in text or "\\" in text or "%" in text or _COLON.search(text):
        return _IN_TEXT.sub(_hide_match, text)
    return text  # nearly every log line, in a tenth of the time


def _hide_match(match: re.Match[str]) -> str:
    url = match.group()
    if match["data"]:
        return _data_url(url)
    if match["start"]:
        return match["start"] + _hide_rest(url[len(match["start"]) :], has_host=True)
    if url[0] == "?" and match.string.endswith("local-files/", 0, match.start()):
        return _local_file(f"local-files/{url}")
    if "=" not in url and "%3d" not in url.lower():  # "What?" and "#3"
        return url
    return url[len(url.rstrip(_PUNCTUATION)) :]


def _hide_rest(rest: str, *, has_host: bool) -> str:
    """Drop the confidential parts of what follows "scheme://"."""
    path = _path_of(rest)
    shown = (_hide_user(path) if has_host else path) + _local_file(rest)
    is_cut = len(path) < len(rest)
    return shown + (rest[len(rest.rstrip(_PUNCTUATION)) :] if is_cut else "")


def _path_of(rest: str) -> str:
    """Return what precedes the query and the fragment; also those of a percent-encoded URL in the path."""
    path = _END_OF_PATH.split(rest, maxsplit=1)[0]
    before, *encoded = _ENCODED_QUERY.split(path, maxsplit=1)
    return before if encoded and ("=" in encoded[0] or "%3d" in encoded[0].lower()) else path


def _hide_user(address: str) -> str:
    """Replace the user info before the host; a text that is no "host:port" may be one, with a delimiter in it."""
    authority = re.split(r"[/\\]", address, maxsplit=1)[0]
    _, at, host = authority.rpartition("@")
    name = host.rstrip(_PUNCTUATION)
    if len(name) > MAX_HOST_CHARACTERS or not _HOST.fullmatch(name) or (at and not name):
        return REDACTED
    return f"{REDACTED if at else ''}{at}{host}{address[len(authority) :]}"


def _local_file(url: str) -> str:
    """Return the query that names a local file, without further parameters; "" for any other URL."""
    found = _LOCAL_FILE.search(url)
    if found is None or found.start() >= len(_path_of(url)) or _ENCODED_DELIMITERS.search(found[1]):
        return ""
    return f"?d={found[1]}"


def _data_url(url: str) -> str:
    media_type, comma, content = url.partition(",")
    if not comma:
        return f"{url[:5]}{_hide_rest(url[5:], has_host=True)}"
    kept = re.fullmatch(r"data:[\w/+.;=-]{0,80}", media_type, re.IGNORECASE)
    end = content[len(content.rstrip(_PUNCTUATION)) :].replace("…", "")
    return f"{media_type if kept else 'data:'},…{end}"
