"""Reading of pictures that a data set consists of: sizes of photographs, masks in PNGs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from backend.errors import BadDataSet, shorten
from backend.values import Mask, Pixels, Size

REMEDY = "Export the data set again; the picture is damaged, or no picture."
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif"})
_TURNED = {5, 6, 7, 8}  # EXIF orientations that swap width and height
_ORIENTATION = 0x0112
_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def measure_picture(path: Path) -> Size | None:
    """Return the upright size of a picture, from its header; None if it is none, as whoever reads it will tell."""
    try:
        with Image.open(path) as file:
            width, height = file.size
            return Size(height, width) if file.getexif().get(_ORIENTATION) in _TURNED else Size(width, height)
    except _ERRORS:
        return None


def count_left_out(root: Path, paths: Iterable[str]) -> int:
    """Count the pictures of a data set in its `images` folders that are none of its images.

    Args:
        paths: Of its images, below `root` and without ending.
    """
    known = set(map(PurePosixPath, paths))
    files = (file for file in root.rglob("*") if file.suffix.lower() in ENDINGS and not file.name.startswith("."))
    below = (PurePosixPath(file.relative_to(root).as_posix()).with_suffix("") for file in files)
    return len({path for path in below if "images" in path.parts[:-1]} - known)


def read_binary_mask(path: Path) -> Mask:
    """Return the pixels of a picture that are not black, bool (H, W).

    Raises:
        BadDataSet: It is no picture. The message continues the name of the file.
    """
    try:
        with Image.open(path) as file:
            pixels = np.asarray(file if file.mode in ("1", "L", "I;16") else file.convert("RGB"))
    except _ERRORS as error:
        raise _damaged(error) from error
    return np.asarray(pixels.astype(bool) if pixels.ndim == 2 else pixels.any(axis=2))


def read_colours(path: Path) -> Pixels:
    """Return a picture's pixels, uint8 RGB (H, W, 3).

    Raises:
        BadDataSet: It is no picture. The message continues the name of the file.
    """
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB"))
    except _ERRORS as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> BadDataSet:
    return BadDataSet(f"cannot be decoded: {shorten(error)}.", remedy=REMEDY)
