"""Labels and colours of Pascal VOC: the palette of its PNGs, and `labelmap.txt`, which names the classes.

A line of `labelmap.txt` is `label:red,green,blue:parts:actions`; the order of the lines is that of the indexes in the
PNGs, "background" first. A label is there and in the XML files without what would break a line or an XML document.

Worked example of the palette: index 1 = 0b001 is (128, 0, 0), 2 = 0b010 is (0, 128, 0), 9 = 0b1001 is (192, 0, 0): bit
0 of each group of three is the highest bit of red that is left, bit 1 of green, bit 2 of blue.

Source: `VOCcolormap` of the VOC development kit, and datumaro's `labelmap.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

BACKGROUND, VOID = 0, 255
MAX_INDEX = 254
RESERVED = ("background", "ignored")  # index 0 and 255
_BREAKS_A_LINE = re.compile(r"[:\x00-\x1f\x7f-\x9f\u2028\u2029]|^#")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def build_palette() -> list[tuple[int, int, int]]:
    """Build VOC's palette of 256 colours, RGB."""
    return [tuple(_channel(index >> channel) for channel in range(3)) for index in range(256)]  # type: ignore[misc]


def _channel(index: int) -> int:
    """Put bit 0 of an index into bit 7, bit 3 into bit 6, and so on."""
    return sum((index >> 3 * place & 1) << 7 - place for place in range(3))


def name_labels(labels: Iterable[str]) -> dict[str, str]:
    """Return the name of each label in VOC's files: the label itself wherever possible, and all distinct."""
    taken = set(RESERVED)
    names: dict[str, str] = {}
    for label in labels:
        clean = strip_xml(_BREAKS_A_LINE.sub("_", label).strip()) or "label"
        name, number = clean, 1
        while name in taken:
            number += 1
            name = f"{clean}-{number}"
        taken.add(name)
        names[label] = name
    return names


def strip_xml(text: str) -> str:
    """Replace the characters that no XML document can hold."""
    return _NOT_XML.sub("\ufffd", text)


def build_labelmap(names: Sequence[str], *, with_void: bool) -> str:
    """Build `labelmap.txt`.

    Args:
        names: Of the classes from index 1.
        with_void: Whether pixels of index 255 occur.
    """
    palette = build_palette()
    entries = [(BACKGROUND, RESERVED[0]), *enumerate(names, start=1), *([(VOID, RESERVED[1])] if with_void else [])]
    lines = [f"{name}:{','.join(map(str, palette[index]))}::" for index, name in entries]
    return "".join(f"{line}\n" for line in ["# label:color_rgb:parts:actions", *lines])
