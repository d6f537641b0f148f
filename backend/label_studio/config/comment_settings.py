"""Project settings that stand in the labeling config, in a comment that starts with `backend:`.

    <View>
      <!-- backend: {"auto_label": true, "polygon_tolerance": 2} -->
      …

A comment and not an attribute: it is kept by Label Studio's editors and API as it is written, can never mean something
to Label Studio itself, and a misspelt setting in it can be told from an attribute of Label Studio's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from defusedxml.ElementTree import DefusedXMLParser

from backend.errors import BadProjectSettings, shorten
from backend.label_studio.config.xml import parse_xml

_MARK = re.compile(r"\s*backend\s*:(.*)", re.DOTALL | re.IGNORECASE)
_SHOWN = 60
_REMEDY = 'Write <!-- backend: {"auto_label": true} -->, in JSON and without "--", or take the comment away.'


class _Comments:
    """A parser's target that keeps nothing but the comments, also those before and after the root tag."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def comment(self, text: str) -> None:
        self._found.append(text)

    def close(self) -> list[str]:
        return self._found


@lru_cache(maxsize=128)
def read_config_settings(xml: str) -> Mapping[str, Any]:
    """What the comments say, not yet checked; of several that say the same thing the last one counts.

    Raises:
        BadConfig: The labeling config is not XML.
        BadProjectSettings: A comment starts with `backend:`, but no JSON object follows.
    """
    if "<!--" not in xml or "backend" not in xml.lower():
        return MappingProxyType({})
    parse_xml(xml)  # refuses what is broken or unsafe, with its words
    parser = DefusedXMLParser(target=_Comments(), forbid_dtd=True)
    parser.feed(xml)
    said: dict[str, Any] = {}
    for comment in parser.close():
        found = _MARK.fullmatch(comment)
        if found:
            said |= _parse_object(found[1].strip())
    return MappingProxyType(said)


def _parse_object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"The comment backend: in the labeling config is {shorten(text, _SHOWN)!r}, which is not JSON."
        raise BadProjectSettings(message, remedy=_REMEDY) from error
    if not isinstance(read, dict):
        message = f"The comment backend: in the labeling config is {shorten(text, _SHOWN)!r}, not a JSON object."
        raise BadProjectSettings(message, remedy=_REMEDY)
    return read
