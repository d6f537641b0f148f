"""SourceImage: the bytes of an image file, their digest, and the upright RGB pixels, decoded on demand.

Label Studio's front end draws on the image after EXIF rotation, so `size` and `pixels` are upright too.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property

import numpy as np

from backend.errors import BadImage
from backend.images.decoding import decode_pixels, read_encoding, read_size
from backend.runtime import timed
from backend.values import Pixels

MAX_SCANS = 50  # of a JPEG, unless IMAGE_MAX_SCANS says otherwise; encoders write at most about twenty


class SourceImage:
    """One image file.

    Args:
        data: The encoded file.
        name: For error messages.
        max_pixels: Larger images are refused before they are decoded.
        max_scans: JPEGs with more scans, likewise: each is one more pass over the whole image.

    Raises:
        BadImage: `data` is not an image, has too many pixels, or is too much work.
    """

    def __init__(
        self, data: bytes, name: str = "The image", max_pixels: int = 64_000_000, max_scans: int = MAX_SCANS
    ) -> None:
        self.data, self.name, self._max_scans = data, name, max_scans
        self.size = read_size(data, name, max_pixels, max_scans)
        self._decoding = threading.Lock()
        self._decoded: Pixels | BadImage | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the encoded bytes, in hex: the image's part of a cache key."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def encoding(self) -> tuple[str, int]:
        """The file's format, such as "JPEG", and its EXIF orientation: 1 if it is stored upright, up to 8."""
        return read_encoding(self.data, self.name, self._max_scans)

    @property
    def is_decoded(self) -> bool:
        """Whether `pixels` is there at once."""
        return isinstance(self._decoded, np.ndarray)

    @property
    def pixels(self) -> Pixels:
        """uint8 RGB (H, W, 3), upright and read-only; decoded at first access.

        Raises:
            BadImage: The file is truncated or damaged.
        """
        with self._decoding:
            if self._decoded is None:
                self._decoded = self._decode()
            if isinstance(self._decoded, BadImage):  # raised anew: each request adds its own traceback
                raise BadImage(self._decoded.message, remedy=self._decoded.remedy) from self._decoded
            return self._decoded

    @property
    def nbytes(self) -> int:
        """Cost in a cache: the file and its pixels."""
        return len(self.data) + self.size.width * self.size.height * 3

    @timed("decode")
    def _decode(self) -> Pixels | BadImage:
        """Return the pixels, or why there are none, so that a damaged file is decoded once."""
        try:
            pixels = decode_pixels(self.data, self.name, self._max_scans)
        except BadImage as error:
            return error
        if pixels.shape != (self.size.height, self.size.width, 3):
            shape = f"{pixels.shape[1]}x{pixels.shape[0]}"
            message = f"{self.name} says that it has {self.size} pixels, but has {shape}."
            return BadImage(message, remedy="Save the image anew with an image editor.")
        return pixels
