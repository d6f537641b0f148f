"""Image files for tests: with an EXIF block, with many scans."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from backend.values import Pixels

ORIENTED_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "TIFF LZW")
_SAVED_LOSSLESS = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}


def exif_block(orientation: int, *more: tuple[int, int, int, int]) -> bytes:
    """An EXIF block with this orientation and more entries: tag, type, count, value or offset."""
    entries = sorted([(0x0112, 3, 1, orientation), *more])
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4)


def encode_image(pixels: Pixels, image_format: str, exif: bytes = b"") -> bytes:
    """Encode pixels as they are stored, and put the EXIF block where the format has it; a TIFF takes its entries."""
    kind, _, compression = image_format.partition(" ")
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    if kind == "TIFF":
        image.save(file, kind, compression={"": None, "LZW": "tiff_lzw"}[compression])
        return _with_tiff_entries(file.getvalue(), exif) if exif else file.getvalue()
    image.save(file, kind, **_SAVED_LOSSLESS.get(kind, {}))
    data = file.getvalue()
    if not exif:
        return data
    if kind == "JPEG":
        return with_exif_segment(data, exif)
    if kind == "PNG":
        chunk = b"eXIf" + exif
        return data[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    return _with_webp_chunk(data, exif, pixels.shape[1], pixels.shape[0])


def with_exif_segment(jpeg: bytes, exif: bytes) -> bytes:
    """Put an EXIF block into a JPEG."""
    block = b"Exif\0\0" + exif
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def _with_webp_chunk(data: bytes, exif: bytes, width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + chunk(b"VP8X", bytes([0x08, 0, 0, 0]) + size) + data[12:] + chunk(b"EXIF", exif)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _with_tiff_entries(data: bytes, exif: bytes) -> bytes:
    """Append a directory with the file's own entries and those of an EXIF block."""

    def entries(block: bytes) -> list[bytes]:
        at = struct.unpack_from("<I", block, 4)[0]
        count = struct.unpack_from("<H", block, at)[0]
        return [block[at + 2 + 12 * i : at + 14 + 12 * i] for i in range(count)]

    merged = sorted([*entries(data), *entries(exif)], key=lambda entry: struct.unpack_from("<H", entry)[0])
    directory = struct.pack("<H", len(merged)) + b"".join(merged) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def jpeg_of_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive grey JPEG with at least this many scans: its last one, which refines it, is repeated."""
    file = io.BytesIO()
    Image.new("L", (width, height), 128).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    start, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[start:end] * (scans - data.count(b"\xff\xda")) + data[end:]


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """What a viewer shows. Source: EXIF 2.32, 4.6.5: where row 0 and column 0 of the stored image are to be seen."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: stored[::-1].swapaxes(0, 1),  # row 0 is on the right
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: stored[:, ::-1].swapaxes(0, 1),  # row 0 is on the left
    }[orientation]
