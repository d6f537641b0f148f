"""Labeling config XML, read as Label Studio reads it: tag and attribute names without regard to case."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import BadConfig, shorten

EDIT_HINT = "Edit it under Settings → Labeling Interface."
LONGEST_XML = 1_000_000  # characters; 10,000 choices make 0.4 million
OBJECT_TAGS = (
    "image", "audio", "audioplus", "video", "text", "hypertext", "richtext", "paragraphs", "timeseries", "pdf",
    "table", "list", "chat",
)  # fmt: skip


def check_length(xml: object) -> str:
    """The text of a labeling config. Raises `BadConfig` for an empty one and for one that is too long."""
    if not isinstance(xml, str) or not xml.strip():
        raise BadConfig("The labeling config is empty.", remedy=f"Give the project a labeling config. {EDIT_HINT}")
    if len(xml) > LONGEST_XML:
        message = f"The labeling config has {len(xml)} characters, more than the {LONGEST_XML} that are read."
        raise BadConfig(message, remedy=f"Give it fewer labels or choices. {EDIT_HINT}")
    return xml


def parse_xml(xml: str) -> Element:
    """The root tag. Raises `BadConfig` for broken XML, entities and document types."""
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise BadConfig(
            f"The labeling config is not XML that can be read: {shorten(error)}.", remedy=EDIT_HINT
        ) from error
    return root


def tag_name(tag: Element) -> str:
    """In lower case; "" for a comment."""
    return tag.tag.lower() if isinstance(tag.tag, str) else ""


def find_tags(root: Element, *names: str) -> Iterator[Element]:
    """All tags of these lower-case names, in the order of the document."""
    return (tag for tag in root.iter() if tag_name(tag) in names)


def read_attribute(tag: Element, name: str) -> str:
    """An attribute by its lower-case name; "" if there is none."""
    return next((value for key, value in tag.attrib.items() if key.lower() == name), "").strip()


def is_true(tag: Element, name: str) -> bool:
    return read_attribute(tag, name).lower() == "true"


def find_for_image(root: Element, image_name: str, *names: str) -> list[Element]:
    """The named tags whose toName is the image. Where the page shows one object only, toName may be left out."""
    objects = [read_attribute(tag, "name") for tag in find_tags(root, *OBJECT_TAGS)]
    implied = objects[0] if len(objects) == 1 else ""
    return [tag for tag in find_tags(root, *names) if image_name in _targets(tag, implied)]


def _targets(tag: Element, implied: str) -> list[str]:
    return [target.strip() for target in (read_attribute(tag, "toname") or implied).split(",")]
