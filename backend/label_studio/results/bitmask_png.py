"""The bitmask codec: a bool mask to the PNG data URL of Label Studio's BitmaskLabels and back.

Format: "data:image/png;base64," and a PNG of the image's size in which the mask is opaque and black, and everything
else is transparent; Label Studio's canvas writes it in RGBA of 8 bits, shows whatever is not transparent, and keeps the
text as it came while nobody paints on it. We write one bit a pixel with a palette of two, 0 transparent and 1 opaque
black, which a browser shows the same and which is packed in a hundredth of the time. What is read is the alpha channel;
from 128 on it is mask.

Worked example: the rows of the mask [[True, False]] are, after the filter byte 0, the byte 0b10000000.

Source: PNG specification, third edition (https://www.w3.org/TR/png-3/): sections 5, 9, 11.2 and 11.3.1.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

import cv2
import numpy as np

from backend.errors import BadRegion, shorten
from backend.values import Mask, Size

PREFIX = "data:image/png;base64,"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
FASTEST = 1
PALETTE = b"\x00\x00\x00" * 2
TRANSPARENT_THEN_OPAQUE = b"\x00\xff"
REMEDY = "Delete this region in Label Studio and draw it anew."


def encode_bitmask(mask: Mask) -> str:
    """Encode a bool (H, W) mask as a data URL."""
    height, width = mask.shape
    rows = np.packbits(mask, axis=1)
    filtered = np.pad(rows, ((0, 0), (1, 0))).tobytes()  # filter 0 before each row
    one_bit_with_palette = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    chunks = [
        _chunk(b"IHDR", one_bit_with_palette),
        _chunk(b"PLTE", PALETTE),
        _chunk(b"tRNS", TRANSPARENT_THEN_OPAQUE),
        _chunk(b"IDAT", zlib.compress(filtered, FASTEST)),
        _chunk(b"IEND", b""),
    ]
    return PREFIX + base64.b64encode(SIGNATURE + b"".join(chunks)).decode("ascii")


def decode_bitmask(url: object, size: Size) -> Mask:
    """Decode a data URL into a bool (H, W) mask: where alpha is 128 or more.

    Args:
        size: Of the image that the mask lies on.

    Raises:
        BadRegion: Not a data URL of a PNG, a broken one, one of another size or without transparency.
    """
    png = _to_png(url)
    found = Size(*struct.unpack(">II", png[16:24]))
    if found != size:  # before anything is unpacked: a PNG of some kilobytes can hold gigabytes
        raise BadRegion(f"The bitmask is a PNG of {found} pixels on an image of {size}.", remedy=REMEDY)
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (size.height, size.width):
        raise BadRegion(f"The bitmask's PNG of {len(png)} bytes is broken.", remedy=REMEDY)
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        raise BadRegion("The bitmask's PNG has no transparency, so nothing says where its mask is.", remedy=REMEDY)
    opaque: Mask = pixels[:, :, 3] >= (128 if pixels.dtype == np.uint8 else 128 << 8)
    return opaque


def _to_png(url: object) -> bytes:
    if not isinstance(url, str) or not url.startswith(PREFIX):
        message = f'The bitmask has "imageDataURL": {shorten(url, 60)}, not a PNG as a data URL ({PREFIX}…).'
        raise BadRegion(message, remedy=REMEDY)
    try:
        png = base64.b64decode(url[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRegion(f"The bitmask's data URL is not base64: {error}.", remedy=REMEDY) from error
    if not png.startswith(SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 33:
        raise BadRegion(f"The bitmask's data URL holds {len(png)} bytes that are no PNG.", remedy=REMEDY)
    return png


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
