"""SourceImage: the bytes of an image file, their digest, and the upright RGB pixels, decoded on demand.

Label Studio's front end draws on the image as the EXIF orientation turns it, so `size` and `pixels` are upright too.
The only room that uses PIL (beside `export.pictures`).
"""

from __future__ import annotations

import hashlib
import io
import threading
from functools import cached_property

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from backend.errors import BadImage
from backend.runtime import LeastRecentlyUsed
from backend.values import Pixels, Size

# What a browser shows, and TIFF; PIL's other readers are only more code for a stranger's file to run through
_FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", *(["AVIF"] if features.check("avif") else [])]
_ORIENTATION_TAG = 0x0112
Image.MAX_IMAGE_PIXELS = None  # the limit is IMAGE_MAX_PIXELS, which is checked below before anything is decoded
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height


class SourceImage:
    """One image file.

    Args:
        data: The encoded file.
        name: How error messages call it.
        max_pixels: More are refused before they are decoded.

    Raises:
        BadImage: `data` is not an image, or has too many pixels.
    """

    def __init__(self, data: bytes, name: str = "The image", max_pixels: int = 64_000_000) -> None:
        self._data = data
        self.name = name
        self.size = _read_size(data, name, max_pixels)
        self._decoding = threading.Lock()
        self._pixels: Pixels | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the encoded bytes, in hex: the image's name in the cache."""
        return hashlib.sha256(self._data).hexdigest()

    @property
    def pixels(self) -> Pixels:
        """uint8 RGB (H, W, 3), upright and read-only; decoded at the first look.

        Raises:
            BadImage: The file is truncated or damaged.
        """
        with self._decoding:
            if self._pixels is None:
                self._pixels = _decode(self._data, self.name)
            return self._pixels

    @property
    def nbytes(self) -> int:
        """What this image costs when it is kept: the file and its pixels."""
        return len(self._data) + self.size.width * self.size.height * 3


class DecodedImages:
    """The images of the last clicks, kept decoded within a byte budget, so that a warm click decodes nothing.

    They are found by the identity of their bytes: whoever keeps the encoded file hands in the same object again, and
    Python remembers the hash of a `bytes` object, so a hit costs a dictionary look-up.
    """

    def __init__(self, max_bytes: int, max_pixels: int, max_ahead: int = 0) -> None:
        self._max_pixels = max_pixels
        self._images = LeastRecentlyUsed[tuple[bytes, str], SourceImage](
            max_bytes, lambda image: image.nbytes, max_ahead
        )

    def open(self, data: bytes, name: str, *, ahead: bool = False) -> SourceImage:
        """Return the image of these bytes. Raises `BadImage` as `SourceImage` does.

        Args:
            ahead: Nobody has asked for it yet (see `lru`).
        """
        look = self._images.peek if ahead else self._images.get
        kept = look((data, name))  # by name too, or a message could name another project's file
        if kept is not None:
            return kept
        image = SourceImage(data, name, self._max_pixels)
        self._images.put((data, name), image, ahead=ahead)
        return image


def _open(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, RuntimeError) as error:
        start = data[:16]
        raise BadImage(
            f"{name} is not an image: {len(data)} bytes that begin with {start!r}.",
            remedy="Upload a PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF; a browser shows what the address really serves.",
        ) from error


def _read_size(data: bytes, name: str, max_pixels: int) -> Size:
    image = _open(data, name)
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage(
            f"{name} has {width}x{height} = {width * height} pixels, more than the {max_pixels} that are allowed.",
            remedy="Scale the image down, or raise IMAGE_MAX_PIXELS.",
        )
    sideways = _orientation(image, b"eXIf" in data) in _SIDEWAYS
    return Size(height, width) if sideways else Size(width, height)


def _orientation(image: Image.Image, may_have_exif: bool) -> int:
    if image.format == "PNG" and not may_have_exif:
        return 1  # a PNG may carry EXIF behind its pixels, so PIL would decode all of them to look for it
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # PIL raises almost anything on a damaged EXIF block; the picture itself may be fine
        return 1


def _decode(data: bytes, name: str) -> Pixels:
    image = _open(data, name)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image) if _orientation(image, b"eXIf" in data) != 1 else image
        pixels = np.asarray(_to_rgb(upright))
    except (OSError, ValueError, SyntaxError, IndexError, MemoryError, RuntimeError) as error:
        raise BadImage(
            f"{name} is damaged or truncated after {len(data)} bytes: {error}.", remedy="Upload the image again."
        ) from error
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return pixels


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        # 16-bit greys: PIL's own conversion clips everything over 255 to white
        grey = np.asarray(image).astype(np.float64)
        return Image.fromarray((grey / (257.0 if grey.max() > 255 else 1.0)).clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # what shines through is white in a browser's canvas only where the page is white; Label Studio's is
        rgba = image.convert("RGBA")
        page = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(page, rgba).convert("RGB")
    return image.convert("RGB")
