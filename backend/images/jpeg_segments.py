"""Segments of a JPEG file: which of them a decoder needs, and how many scans it has.

    FFD8 │ FFE1 length EXIF │ FFE0 length JFIF │ FFDB … │ FFC0 … │ FFC4 … │ FFDA length header, compressed data │ FFD9

In compressed data FF is followed by 00 or a restart marker (D0 to D7), so the next marker is found by one search.
Source: ITU-T T.81, B.1.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SEGMENTS = 10_000  # a file of 64 MB with nothing but full segments has a thousand
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # more FF may stand before it; "\xff+" would be quadratic
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
_AMBIGUOUS = frozenset({0xC8, 0xD8, _END_OF_IMAGE, *range(0xF0, 0xFE)})
"""Markers after which PIL and libjpeg go on at different places, so that one of them would see what was cut off here.
No JPEG that they can decode has them before its first scan."""
_EXIF = 0xE1
_JFIF, _ADOBE = 0xE0, 0xEE  # tell the colour space, so the decoder needs them
_METADATA = (frozenset(range(0xE0, 0xF0)) | {0xFE}) - {_JFIF, _ADOBE}
_EXIF_HEADER = b"Exif\0\0"


@dataclass(frozen=True)
class JpegSegments:
    """What the segments of a file hold.

    Attributes:
        bare: The file without its metadata.
        exif: The EXIF block, b"" without one.
        scans: Number of scans, over all of which a decoder goes through the whole image.
    """

    bare: bytes
    exif: bytes
    scans: int


def parse_segments(data: bytes) -> JpegSegments:
    """Parse the segments up to the end of the first image; a damaged file is left for the decoder to refuse.

    Raises:
        ValueError: More than `MAX_SEGMENTS` segments, or a marker that no decoder knows before the first scan.
    """
    kept: list[bytes] = []
    exif, scans, at, copied = b"", 0, 2, 0
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            break
        marker, body = found[1][0], found.end()
        if not scans and marker in _AMBIGUOUS:
            raise ValueError(f"is a JPEG with the marker FF{marker:02X} before its first scan")
        if marker == _END_OF_IMAGE:
            break
        if marker in _WITHOUT_LENGTH:
            at = body
            continue
        at = body + int.from_bytes(data[body : body + 2], "big")
        scans += marker == _START_OF_SCAN
        if marker in _METADATA:
            if marker == _EXIF and not exif and data.startswith(_EXIF_HEADER, body + 2):
                exif = data[body + 8 : at]
            kept.append(data[copied : found.start()])
            copied = at
    else:
        raise ValueError(f"is a JPEG of more than {MAX_SEGMENTS} segments")
    return JpegSegments(b"".join([*kept, data[copied:]]) if kept else data, exif, scans)
