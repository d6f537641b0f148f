"""Image files without their metadata: only what a decoder needs reaches PIL.

PIL reads the metadata of a file when it opens it, and some of it again while it rotates. A malformed tag then fails the
whole image, and hostile metadata costs work and memory out of proportion to the file: tags that all refer to the same
bytes, comments of a byte each. Here it is cut off in one pass, and of EXIF only the orientation is read. What follows
the first image of an animation is not decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.images.jpeg_segments import parse_segments
from backend.images.tiff_directory import parse_directory

MAX_CHUNKS = 100_000  # of a PNG, and of a GIF before its first image; a PNG of 64 MB in chunks of 8 kB has 8,000
MAX_STRIPS = 300_000  # of a TIFF: 64 megapixels in tiles of 16x16 are 250,000
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_TIFF_KEPT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320, 322, 323, 324}
    | {325, 332, 333, 334, 336, 338, 339, 347, *range(512, 522), 529, 530, 531, 532}
)  # TIFF 6.0 without the texts, resolution and transfer functions
_TIFF_PLACES = frozenset({273, 279, 324, 325})  # of its strips and tiles
_GIF_BLOCK = re.compile(rb"[!,;]")  # an extension, an image, the end
_GIF_CONTROL = 0xF9  # has the transparent colour of the next image
_AVIF_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{7,9})Exif", re.DOTALL)


class ExcessiveFile(Exception):
    """A file that would take work out of proportion to its pixels; the text continues the name of the image."""

    def __init__(self, text: str, remedy: str = "Save the image anew with an image editor.") -> None:
        super().__init__(text)
        self.remedy = remedy


@dataclass(frozen=True)
class BareFile:
    """An image file as PIL gets it.

    Attributes:
        data: The file without its metadata. WebP and AVIF keep theirs, which PIL does not parse.
        exif: The EXIF block of a JPEG or PNG, or the TIFF itself, which has the same structure; b"" for the others.
    """

    data: bytes
    exif: bytes = b""


def strip_metadata(data: bytes, max_scans: int) -> BareFile:
    """Strip a file to what a decoder needs; one of another format, or a damaged one, is returned as it is.

    Args:
        max_scans: Maximum number of scans of a JPEG.

    Raises:
        ExcessiveFile: Too many scans, segments, chunks, strips or tags.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _strip_jpeg(data, max_scans)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _strip_png(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _strip_gif(data)
    if data.startswith((b"II*\0", b"II\0*", b"II+\0", b"MM\0*", b"MM*\0", b"MM\0+")):  # what PIL takes for a TIFF
        return _strip_tiff(data)
    if data[4:8] == b"ftyp":
        return BareFile(_AVIF_EXIF_ITEM.sub(rb"\1none", data))  # the orientation of an AVIF is not in its EXIF
    return BareFile(data)


def _strip_jpeg(data: bytes, max_scans: int) -> BareFile:
    try:
        segments = parse_segments(data)
    except ValueError as error:
        raise ExcessiveFile(str(error)) from error
    if segments.scans > max_scans:
        remedy = "Save the image as an ordinary JPEG, or raise IMAGE_MAX_SCANS."
        raise ExcessiveFile(f"is a JPEG of {segments.scans} scans; the limit is {max_scans}", remedy)
    return BareFile(segments.bare, segments.exif)


def _strip_png(data: bytes) -> BareFile:
    kept, exif, at, copied = [], b"", 8, 0
    for _ in range(MAX_CHUNKS):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")  # length, kind, data, checksum
        if kind == b"eXIf" and not exif:
            exif = data[at + 8 : end - 4]
        if kind not in _PNG_KEPT and at < len(data):
            kept.append(data[copied:at])
            copied = end
        if kind == b"IEND" or end > len(data):
            break
        at = end
    else:
        raise ExcessiveFile(f"is a PNG of more than {MAX_CHUNKS} chunks")
    return BareFile(b"".join([*kept, data[copied:]]) if kept else data, exif)


def _strip_gif(data: bytes) -> BareFile:
    """Cut what stands before the first image, except the colour table and the transparent colour."""
    flags = data[10] if len(data) > 10 else 0
    head = at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    control, blocks = b"", 0
    while (found := _GIF_BLOCK.search(data, at)) is not None and found[0] == b"!":
        start = found.start()
        at = start + 2
        while at < len(data) and data[at]:  # blocks of a length and that many bytes, up to one of length 0
            at += 1 + data[at]
            blocks += 1
        at, blocks = at + 1, blocks + 1
        if blocks > MAX_CHUNKS:
            raise ExcessiveFile(f"is a GIF of more than {MAX_CHUNKS} blocks before its first image")
        if data[start + 1 : start + 2] == bytes([_GIF_CONTROL]):
            control = data[start:at]
    return BareFile(data[:head] + control + data[found.start() if found else at :])


def _strip_tiff(data: bytes) -> BareFile:
    """Write the directory of the first image anew, with the tags that a decoder needs and without a next one."""
    try:
        directory = parse_directory(data)
    except ValueError as error:
        raise ExcessiveFile(f"is a TIFF that cannot be read: {error}") from error
    kept = [entry for entry in directory.entries if entry.tag in _TIFF_KEPT]
    if sum(entry.nbytes for entry in kept) > len(data):
        raise ExcessiveFile(f"is a TIFF of {len(data)} bytes whose tags are larger than that")
    strips = max((entry.count for entry in kept if entry.tag in _TIFF_PLACES), default=0)
    if strips > MAX_STRIPS:
        raise ExcessiveFile(f"is a TIFF of {strips} strips or tiles; the maximum is {MAX_STRIPS}")
    own = directory.encode(kept)
    return BareFile(data[: directory.at] + own + data[directory.at + len(own) :], data)
