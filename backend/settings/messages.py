"""What is said of rejected settings: the value without its secrets, why it is rejected, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from backend.errors import BadSettings, shorten
from backend.safe_text import redact_address
from backend.settings.field_types import MIN_KEY_CHARACTERS

_MAX_SHOWN = 60  # characters of a rejected value
_REDACTED = "***"

_REASONS = {  # pydantic's error types
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
    "greater_than_equal": "below the minimum of {ge}",
    "ip_any_network": "not a list of networks",
    "literal_error": "not a known value",
}
_EXPECTED: dict[Any, str] = {  # the remedy by a field's type, or by its name
    "label_studio_url": "a URL such as http://localhost:8080, without a password",
    "image_allowed_networks": "networks such as 10.0.0.0/8,fd00::/8, separated by commas",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a URL such as redis://host:6379/0, or leave it empty",
    "cache_signing_key": f"at least {MIN_KEY_CHARACTERS} random characters, such as `openssl rand -hex 32` prints",
}


def describe_errors(error: ValidationError, fields: Mapping[str, FieldInfo], texts: Mapping[str, str]) -> BadSettings:
    """Name each invalid variable with its value, the reason and the remedy.

    Args:
        fields: All settings.
        texts: The variables' values.
    """
    messages, remedies = [], []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0])
        field, context = fields[name], problem.get("ctx", {})
        reason = _REASONS.get(problem["type"]) or str(context.get("error", "not valid"))
        shown = _show_rejected(name, field, texts[name])
        messages.append(f"{name.upper()} is {shorten(shown, _MAX_SHOWN)!r}, which is {reason.format(**context)}.")
        remedies.append(f"Set {name.upper()} to {_describe_expected(name, field)}.")
    return BadSettings(" ".join(dict.fromkeys(messages)), remedy=" ".join(dict.fromkeys(remedies)))


def _show_rejected(field_name: str, field: FieldInfo, text: str) -> str:
    """Show a rejected value without a password; nothing of a secret that is not a URL."""
    if field_name == "redis_url" or (field.repr and "@" in text):
        return redact_address(text)
    return text if field.repr else _REDACTED


def _describe_expected(name: str, field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        *others, last = get_args(field.annotation)
        return f"{', '.join(others)} or {last}"
    minimum = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    expected = _EXPECTED.get(name) or _EXPECTED[field.annotation]
    return expected if minimum is None else f"{expected} of at least {minimum}"
