"""An object on another background: transparent, of one colour, or a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageFilter

from backend.export.segment_pngs import encode_png
from backend.values import Mask, Pixels


@dataclass(frozen=True)
class Background:
    """What is put behind an object; transparent without a colour and a picture.

    Attributes:
        colour: RGB.
        picture: uint8 RGB (H, W, 3) of any size; it is scaled to cover the image, and its middle is used.
    """

    colour: tuple[int, int, int] | None = None
    picture: Pixels | None = None


def parse_colour(text: str) -> tuple[int, int, int] | None:
    """Parse a colour as CSS writes it ("white", "#ffcc00", "rgb(0, 128, 255)"); None if it is none."""
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        return None


def encode_cutout(pixels: Pixels, mask: Mask, background: Background, soft_edges: float = 0.0) -> bytes:
    """Encode the image as a PNG of its size with everything but an object replaced.

    Args:
        pixels: uint8 RGB (H, W, 3).
        mask: bool (H, W), the object.
        soft_edges: Pixels inside the object over which it fades, so that nothing of the old background shines
            through; 0 for a hard edge.
    """
    alpha = _soften(mask, soft_edges)
    if background.colour is None and background.picture is None:
        return encode_png(np.dstack([pixels * (alpha[..., None] > 0), alpha]))
    behind = _cover(background, (pixels.shape[1], pixels.shape[0]))
    share = alpha[..., None].astype(np.float32) / 255
    return encode_png(np.rint(pixels * share + behind * (1 - share)).astype(np.uint8))


def _soften(mask: Mask, soft_edges: float) -> Pixels:
    """Return the alpha channel, uint8 (H, W)."""
    alpha = np.where(mask, 255, 0).astype(np.uint8)
    if soft_edges <= 0:
        return alpha
    blurred = np.asarray(Image.fromarray(alpha).filter(ImageFilter.GaussianBlur(soft_edges / 2)))
    return np.where(mask, blurred, 0).astype(np.uint8)


def _cover(background: Background, size: tuple[int, int]) -> Pixels:
    """Return the background in the image's size (width, height)."""
    if background.picture is None:
        return np.full((size[1], size[0], 3), background.colour, np.uint8)
    picture = Image.fromarray(background.picture)
    scale = max(size[0] / picture.width, size[1] / picture.height)
    left, top = (picture.width - size[0] / scale) / 2, (picture.height - size[1] / scale) / 2
    box = (left, top, left + size[0] / scale, top + size[1] / scale)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))
