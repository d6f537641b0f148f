"""Which data a task needs: the keys that the tags of a labeling config show."""

from __future__ import annotations

import re

from backend.label_studio.config.xml import parse_xml, read_attribute

_VARIABLE = re.compile(r"\$(\w+)")


def data_keys(xml: str) -> list[str]:
    """Return the keys of task data that named tags show, each once, in the order of the config.

    Label Studio refuses a task that lacks one of them. Its own rule: `extract_data_types` in core/label_config.py.

    Raises:
        BadConfig: Malformed or unsafe XML.
    """
    keys = dict[str, None]()
    for tag in parse_xml(xml).iter():
        value = read_attribute(tag, "value") if isinstance(tag.tag, str) and read_attribute(tag, "name") else ""
        found = _VARIABLE.search(value)
        if len(value) > 1 and value.startswith("$"):
            keys[value[1:]] = None
        elif found:
            keys[found[1]] = None
    return list(keys)
