"""The bitmask codec: a bool mask to the PNG data URL of Label Studio's BitmaskLabels and back.

Format: "data:image/png;base64," and a PNG of the image's size, in which the mask is opaque black and everything else is
transparent. Label Studio's canvas writes RGBA with 8 bits per channel, shows every pixel that is not transparent, and
keeps the text unchanged until someone paints on the region. We write one bit per pixel with a palette of two colours, 0
transparent and 1 opaque black, which a browser shows the same and which takes a hundredth of the time to compress.
Reading takes the alpha channel; from 128 on a pixel belongs to the mask.

Worked example: the only row of the mask [[True, False]] is, after the filter byte 0, the byte 0b10000000.

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
FASTEST = 1  # compression level of zlib
PALETTE = b"\x00\x00\x00" * 2
TRANSPARENT_THEN_OPAQUE = b"\x00\xff"
REMEDY = "Delete this region in Label Studio and draw it again."


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
        size: Size of the image that the mask belongs to.

    Raises:
        BadRegion: Not a data URL of a PNG, or the PNG is corrupt, of another size or without an alpha channel.
    """
    png = _to_png(url)
    png_size = Size(*struct.unpack(">II", png[16:24]))
    if png_size != size:  # checked before decompression: a PNG of a few kilobytes can expand to gigabytes
        raise BadRegion(f"The bitmask is a PNG of {png_size} pixels on an image of {size}.", remedy=REMEDY)
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (size.height, size.width):
        raise BadRegion(f"The bitmask's PNG of {len(png)} bytes is corrupt.", remedy=REMEDY)
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        raise BadRegion("The bitmask's PNG has no alpha channel, which would hold the mask.", remedy=REMEDY)
    opaque: Mask = pixels[:, :, 3] >= (128 if pixels.dtype == np.uint8 else 128 << 8)
    return opaque


def _to_png(url: object) -> bytes:
    if not isinstance(url, str) or not url.startswith(PREFIX):
        message = f'The bitmask has "imageDataURL": {shorten(url, 60)}, which is not a PNG data URL ({PREFIX}…).'
        raise BadRegion(message, remedy=REMEDY)
    try:
        png = base64.b64decode(url[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRegion(f"The bitmask's data URL is not valid base64: {error}.", remedy=REMEDY) from error
    if not png.startswith(SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 33:
        raise BadRegion(f"The bitmask's data URL holds {len(png)} bytes that are not a PNG.", remedy=REMEDY)
    return png


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
