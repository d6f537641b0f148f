"""Reading of pictures that a data set consists of: sizes of photographs, masks in PNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from backend.errors import BadDataSet, shorten
from backend.values import Mask, Pixels, Size

REMEDY = "Export the data set again; the picture is damaged, or no picture."
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
