"""Attributes of labels that only exports need: their colours, and the places of key points in a pose."""

from __future__ import annotations

from backend.label_studio.config.labeling_config import LabelingConfig
from backend.label_studio.config.xml import find_tags, parse_xml, read_attribute


def label_colours(config: LabelingConfig) -> dict[str, str]:
    """Return the colours of labels as they are written (`background="#8b0000"` or "red"), by the label's name."""
    return _read(config, "background")


def pose_indexes(config: LabelingConfig) -> dict[str, int]:
    """Return the places of key points in a pose (`model_index="3"`), by the label's name."""
    return {name: int(text) for name, text in _read(config, "model_index").items() if _is_index(text)}


def control_names(config: LabelingConfig) -> frozenset[str]:
    """Return the names of all tags of the labeling config that can have results, whatever their kind."""
    tags = parse_xml(config.xml).iter()
    return frozenset(read_attribute(tag, "name") for tag in tags if read_attribute(tag, "toname"))


def _read(config: LabelingConfig, attribute: str) -> dict[str, str]:
    """Return an attribute by the label's name; of several labels with one name, the first that has it counts."""
    found: dict[str, str] = {}
    for tag in find_tags(parse_xml(config.xml), "label"):
        name, text = read_attribute(tag, "alias") or read_attribute(tag, "value"), read_attribute(tag, attribute)
        if name and text:
            found.setdefault(name, text)
    return found


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6
