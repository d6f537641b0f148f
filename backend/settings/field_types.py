"""Types of the settings: texts of the environment to values."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic.networks import IPvAnyNetwork

from backend.safe_text import check_redis_url

MIN_KEY_CHARACTERS = 16
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def _parse_bool(value: object) -> object:
    """Parse the documented spellings; pydantic alone would accept more of them."""
    if not isinstance(value, str):
        return value
    if value.lower() not in _TRUE | _FALSE:
        raise ValueError("neither true nor false")
    return value.lower() in _TRUE


def _parse_int(value: object) -> object:
    """Parse a whole number; pydantic alone would accept "2.0" as well."""
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("not a whole number") from error


def _parse_hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return frozenset(part.strip().lower() for part in value.split(",") if part.strip())


def _check_label_studio_url(url: str) -> str:
    """Reject what two parsers could read differently, and what has a password or a query."""
    pattern = r"(?i:https?)://[^\s/?#@\\:][^\s/?#@\\]*(/[^\s?#\\]*)?"
    if url and not (re.fullmatch(pattern, url) and _has_readable_port(url)):
        raise ValueError("not an http(s) URL of host, port and path alone")
    return url


def _check_key(key: str) -> str:
    if 0 < len(key) < MIN_KEY_CHARACTERS:
        raise ValueError(f"shorter than {MIN_KEY_CHARACTERS} characters")
    return key


def _has_readable_port(url: str) -> bool:
    """Whether the URL's port can be parsed; urllib's own error may quote a part of a password."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


Switch = Annotated[bool, BeforeValidator(_parse_bool)]
WholeNumber = Annotated[int, BeforeValidator(_parse_int)]
Hosts = Annotated[frozenset[str], BeforeValidator(_parse_hosts)]
Networks = Annotated[frozenset[IPvAnyNetwork], BeforeValidator(_parse_hosts)]
HttpUrl = Annotated[str, AfterValidator(_check_label_studio_url)]
SigningKey = Annotated[str, AfterValidator(_check_key)]
RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
Precision = Literal["auto", "float32", "float16", "bfloat16"]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(str.lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]
