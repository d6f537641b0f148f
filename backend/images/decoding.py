"""Image file → size and pixels, by PIL."""

from __future__ import annotations

import io
import logging

import numpy as np
from PIL import Image, features

from backend.errors import BadImage, shorten
from backend.images.bare_file import BareFile, ExcessiveFile, strip_metadata
from backend.images.svg import is_svg
from backend.images.tiff_directory import parse_directory
from backend.values import Pixels, Size

log = logging.getLogger(__name__)

# What browsers show, and TIFF. PIL's other readers would only widen the attack surface.
_FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", *(["AVIF"] if features.check("avif") else [])]
Image.MAX_IMAGE_PIXELS = None  # IMAGE_MAX_PIXELS is checked below, before anything is decoded
MAX_SIDE = 65_535  # of a JPEG; no browser shows a longer one
STRIP = 256  # rows
_EXIF_HEADER = b"Exif\0\0"
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF orientation → what turns the image upright
_SIDEWAYS = frozenset({5, 6, 7, 8})  # swap width and height


def read_size(data: bytes, name: str, max_pixels: int, max_scans: int) -> Size:
    """Read the size of the upright image without decoding it.

    Raises:
        BadImage: Not an image, too large, or too much work.
    """
    bare, image = _open(data, name, max_scans)
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage(
            f"{name} has {width}x{height} = {width * height} pixels; the limit is {max_pixels}.",
            remedy="Scale the image down, or raise IMAGE_MAX_PIXELS.",
        )
    if max(width, height) > MAX_SIDE:
        raise BadImage(
            f"{name} has {width}x{height} pixels; the limit for a side is {MAX_SIDE}.",
            remedy="Cut the image into parts: browsers do not show longer ones.",
        )
    return Size(height, width) if _orientation(bare, image, name) in _SIDEWAYS else Size(width, height)


def read_encoding(data: bytes, name: str, max_scans: int) -> tuple[str, int]:
    """Read the format as PIL names it, such as "JPEG", and the EXIF orientation, 1 to 8.

    Raises:
        BadImage: Not an image, or too much work.
    """
    bare, image = _open(data, name, max_scans)
    return str(image.format), _orientation(bare, image, name)


def decode_pixels(data: bytes, name: str, max_scans: int) -> Pixels:
    """Decode the upright pixels, uint8 RGB (H, W, 3), read-only. Of an animation it is the first image.

    Raises:
        BadImage: The file is truncated or damaged.
    """
    bare, image = _open(data, name, max_scans)
    turn = _TURNS.get(_orientation(bare, image, name))
    try:
        image.load()
        if turn is not None:
            image = image.transpose(turn)
        pixels = _to_pixels(_to_rgb(image))
    except Exception as error:  # of a damaged file PIL raises almost anything
        log.debug("%s cannot be decoded.", name, exc_info=True)
        raise BadImage(
            f"{name} is damaged or truncated after {len(data)} bytes: {shorten(error)}.",
            remedy="Upload the image again.",
        ) from error
    pixels.flags.writeable = False
    return pixels


def _to_pixels(image: Image.Image) -> Pixels:
    """Copy an RGB image strip by strip; in one piece PIL needs three times its size for a moment."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        bottom = min(top + STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _open(data: bytes, name: str, max_scans: int) -> tuple[BareFile, Image.Image]:
    try:
        bare = strip_metadata(data, max_scans)
    except ExcessiveFile as error:
        raise BadImage(f"{name} {error}.", remedy=error.remedy) from error
    try:
        return bare, Image.open(io.BytesIO(bare.data), formats=_FORMATS)
    except Exception as error:  # of a damaged file PIL raises almost anything
        log.debug("%s cannot be opened.", name, exc_info=True)
        if is_svg(data):
            remedy = "Save the drawing as a PNG and import that."
            raise BadImage(f"{name} is an SVG drawing, which has no pixels.", remedy=remedy) from error
        start = data[:16]
        raise BadImage(
            f"{name} is not an image: {len(data)} bytes, starting with {start!r}.",
            remedy="Use PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF. Open the URL in a browser to see what it serves.",
        ) from error


def _orientation(bare: BareFile, image: Image.Image, name: str) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or it cannot be read: the picture itself may be fine."""
    exif = bare.exif or image.info.get("exif") or b""
    if not exif:
        return 1
    try:
        return parse_directory(exif.removeprefix(_EXIF_HEADER)).orientation
    except ValueError as error:
        log.debug("%s is taken as upright, because its EXIF cannot be read: %s.", name, error)
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        # 16-bit greys: PIL's own conversion clips everything over 255 to white
        grey = np.asarray(image)
        return Image.fromarray((grey // (257 if grey.max() > 255 else 1)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # what shines through is white in a browser's canvas only where the page is white; Label Studio's is
        rgba = image.convert("RGBA")
        page = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(page, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
