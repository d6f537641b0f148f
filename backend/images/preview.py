"""Pixels → a small JPEG for a page that shows many images."""

from __future__ import annotations

import io

from PIL import Image

from backend.values import Pixels

QUALITY = 85


def encode_preview(pixels: Pixels, max_side: int) -> bytes:
    """Encode an image as a JPEG whose longer side has at most `max_side` pixels.

    Args:
        pixels: uint8 RGB (H, W, 3).
    """
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((max_side, max_side))
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
