"""SourceImage: the bytes of an image file, their digest, and the upright RGB pixels, decoded on demand.

Label Studio's front end draws on the image after EXIF rotation, so `size` and `pixels` are upright too.
"""

from __future__ import annotations

import hashlib
import io
import threading
from functools import cached_property

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from backend.errors import BadImage
from backend.runtime import LeastRecentlyUsed, timed
from backend.values import Pixels, Size

# What browsers show, and TIFF. PIL's other readers would only widen the attack surface.
_FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", *(["AVIF"] if features.check("avif") else [])]
_ORIENTATION_TAG = 0x0112
Image.MAX_IMAGE_PIXELS = None  # IMAGE_MAX_PIXELS is checked below, before anything is decoded
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height


class SourceImage:
    """One image file.

    Args:
        data: The encoded file.
        name: For error messages.
        max_pixels: Larger images are refused before they are decoded.

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
        """SHA-256 of the encoded bytes, in hex: the image's part of a cache key."""
        return hashlib.sha256(self._data).hexdigest()

    @property
    def pixels(self) -> Pixels:
        """uint8 RGB (H, W, 3), upright and read-only; decoded at first access.

        Raises:
            BadImage: The file is truncated or damaged.
        """
        with self._decoding:
            if self._pixels is None:
                self._pixels = _decode(self._data, self.name)
            return self._pixels

    @property
    def nbytes(self) -> int:
        """Cost in a cache: the file and its pixels."""
        return len(self._data) + self.size.width * self.size.height * 3


class DecodedImages:
    """LRU cache of decoded images within a byte budget, so that a warm click decodes nothing.

    The key is the encoded file itself: the byte cache returns the same `bytes` object each time and Python caches its
    hash, so a hit costs one dictionary look-up.
    """

    def __init__(self, max_bytes: int, max_pixels: int, max_prefetched: int = 0) -> None:
        self._max_pixels = max_pixels
        self._images = LeastRecentlyUsed[tuple[bytes, str], SourceImage](
            max_bytes, lambda image: image.nbytes, max_prefetched
        )

    def open(self, data: bytes, name: str, *, prefetch: bool = False) -> SourceImage:
        """Return the image of these bytes.

        Args:
            prefetch: The image is prefetched (see `runtime.lru`).

        Raises:
            BadImage: As `SourceImage`.
        """
        look = self._images.peek if prefetch else self._images.get
        kept = look((data, name))  # the name too, or a message could name another project's file
        if kept is not None:
            return kept
        image = SourceImage(data, name, self._max_pixels)
        self._images.put((data, name), image, prefetch=prefetch)
        return image


def _open(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, RuntimeError) as error:
        start = data[:16]
        raise BadImage(
            f"{name} is not an image: {len(data)} bytes, starting with {start!r}.",
            remedy="Use PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF. Open the URL in a browser to see what it serves.",
        ) from error


def _read_size(data: bytes, name: str, max_pixels: int) -> Size:
    image = _open(data, name)
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage(
            f"{name} has {width}x{height} = {width * height} pixels; the limit is {max_pixels}.",
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


@timed("decode")
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
