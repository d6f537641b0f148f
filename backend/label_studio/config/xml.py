"""Safe parsing of labeling config XML. Tag and attribute names are case-insensitive, as in Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import BadConfig, shorten

EDIT_HINT = "Edit it under Settings → Labeling Interface."
MAX_XML_CHARACTERS = 1_000_000  # 10,000 choices take 0.4 million
MAX_DEPTH = 100  # tags in each other; keeps recursive readers far from Python's limit of about 1000 calls
OBJECT_TAGS = (
    "image", "audio", "audioplus", "video", "text", "hypertext", "richtext", "paragraphs", "timeseries", "pdf",
    "table", "list", "chat",
)  # fmt: skip


def check_length(xml: object) -> str:
    """Return the text of a labeling config. Raises `BadConfig` if it is empty or too long."""
    if not isinstance(xml, str) or not xml.strip():
        raise BadConfig("The labeling config is empty.", remedy=f"Add a labeling config to the project. {EDIT_HINT}")
    if len(xml) > MAX_XML_CHARACTERS:
        message = f"The labeling config has {len(xml)} characters; the maximum is {MAX_XML_CHARACTERS}."
        raise BadConfig(message, remedy=f"Use fewer labels or choices. {EDIT_HINT}")
    return xml


def parse_xml(xml: str) -> Element:
    """Return the root element.

    Raises:
        BadConfig: Malformed XML, entities, document types, or more than `MAX_DEPTH` tags in each other.
    """
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise BadConfig(f"The labeling config cannot be parsed as XML: {shorten(error)}.", remedy=EDIT_HINT) from error
    _check_depth(root)
    return root


def _check_depth(root: Element) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for tag in level for child in tag]
    if level:
        message = f"The tags of the labeling config are nested more than {MAX_DEPTH} levels deep."
        raise BadConfig(message, remedy=f"Use fewer tags inside each other. {EDIT_HINT}")


def tag_name(tag: Element) -> str:
    """Return the tag's name in lower case; "" for a comment."""
    return tag.tag.lower() if isinstance(tag.tag, str) else ""


def find_tags(root: Element, *names: str) -> Iterator[Element]:
    """Return all tags with one of these lower-case names, in document order."""
    return (tag for tag in root.iter() if tag_name(tag) in names)


def read_attribute(tag: Element, name: str) -> str:
    """Return the attribute with that lower-case name; "" if it is missing."""
    return next((value for key, value in tag.attrib.items() if key.lower() == name), "").strip()


def is_true(tag: Element, name: str) -> bool:
    """Whether the attribute with that lower-case name is "true"."""
    return read_attribute(tag, name).lower() == "true"


class ControlTags:
    """Control tags of a page by the image that they refer to, found in one pass over the page.

    Args:
        names: Lower-case names of the control tags.
    """

    def __init__(self, root: Element, names: frozenset[str]) -> None:
        objects = [read_attribute(tag, "name") for tag in find_tags(root, *OBJECT_TAGS)]
        implied = objects[0] if len(objects) == 1 else ""  # on a page with one object, toName is optional
        self._by_image: dict[str, list[Element]] = {}
        for tag in find_tags(root, *names):
            for target in dict.fromkeys(_targets(tag, implied)):
                self._by_image.setdefault(target, []).append(tag)

    def find(self, image_name: str, *names: str) -> list[Element]:
        """Return the tags with these names whose toName is the image, in document order."""
        return [tag for tag in self._by_image.get(image_name, ()) if tag_name(tag) in names]

    @property
    def object_names(self) -> list[str]:
        """Names of the objects that the tags refer to."""
        return list(self._by_image)


def _targets(tag: Element, implied: str) -> list[str]:
    return [target.strip() for target in (read_attribute(tag, "toname") or implied).split(",")]
