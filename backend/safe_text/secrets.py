"""The secrets of this process, hidden by value wherever text is shown: tokens and passwords from the settings.

The registry is the process's own, because a secret is one in every message, reply and log line alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

REDACTED = "***"
MIN_SECRET_CHARACTERS = 6  # hiding a shorter one would cut up ordinary words, and give it away

_values: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register_secrets(values: Iterable[str]) -> None:
    """Hide these values from now on, and what percent-encoding, JSON and `repr` make of them.

    Shorter values than `MIN_SECRET_CHARACTERS` are not hidden.
    """
    global _pattern
    for value in values:
        spellings = (value, quote(value, safe=""), quote_plus(value), unquote(value), json.dumps(value)[1:-1])
        _values.update(text for text in (*spellings, repr(value)[1:-1]) if len(text) >= MIN_SECRET_CHARACTERS)
    longest_first = sorted(_values, key=len, reverse=True)
    _pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def hide_secrets(text: str) -> str:
    """Replace each registered secret."""
    return text if _pattern is None else _pattern.sub(REDACTED, text)
