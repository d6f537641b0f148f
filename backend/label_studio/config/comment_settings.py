"""Project settings in the labeling config, in an XML comment that starts with `backend:`.

    <View>
      <!-- backend: {"auto_label": true, "polygon_tolerance": 2} -->
      …

A comment rather than an attribute: Label Studio's editors and API preserve it verbatim, it cannot collide with an
attribute of Label Studio, and a misspelt setting can be detected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from defusedxml.ElementTree import DefusedXMLParser

from backend.errors import BadProjectSettings, shorten
from backend.label_studio.config.bounded_json import JsonTooDeep, parse_json
from backend.label_studio.config.xml import parse_xml

_BACKEND_COMMENT = re.compile(r"\s*backend\s*:(.*)", re.DOTALL | re.IGNORECASE)
_MAX_SHOWN = 60  # characters of a rejected comment in the error message
_REMEDY = 'Write <!-- backend: {"auto_label": true} -->, a JSON object without "--", or remove the comment.'


class _Comments:
    """XML parser target that collects only comments, including those before and after the root element."""

    def __init__(self) -> None:
        self._comments: list[str] = []

    def comment(self, text: str) -> None:
        self._comments.append(text)

    def close(self) -> list[str]:
        return self._comments


@lru_cache(maxsize=128)
def read_config_settings(xml: str) -> Mapping[str, Any]:
    """Return the settings in the comments, not yet validated. The last comment wins where several have the same key.

    Raises:
        BadConfig: The labeling config is not well-formed XML, or has a document type or entities.
        BadProjectSettings: A comment starts with `backend:`, but no JSON object follows.
    """
    if "<!--" not in xml or "backend" not in xml.lower():
        return MappingProxyType({})
    parse_xml(xml)  # raises the usual error for malformed or unsafe XML
    parser = DefusedXMLParser(target=_Comments(), forbid_dtd=True)
    parser.feed(xml)
    settings: dict[str, Any] = {}
    for comment in parser.close():
        if match := _BACKEND_COMMENT.fullmatch(comment):
            settings |= _parse_object(match[1].strip())
    return MappingProxyType(settings)


def _parse_object(text: str) -> dict[str, Any]:
    try:
        document = parse_json(text)
    except ValueError as error:
        problem = error if isinstance(error, JsonTooDeep) else "not valid JSON"
        message = f"The backend: comment in the labeling config is {problem}: {shorten(text, _MAX_SHOWN)!r}."
        raise BadProjectSettings(message, remedy=_REMEDY) from error
    if not isinstance(document, dict):
        message = f"The backend: comment in the labeling config is not a JSON object: {shorten(text, _MAX_SHOWN)!r}."
        raise BadProjectSettings(message, remedy=_REMEDY)
    return document
