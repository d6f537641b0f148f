"""A picture of an image with the outlines and labels of its segments."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.export.cutout import parse_colour
from backend.geometry import mask_to_box, mask_to_rings
from backend.values import Mask, Pixels

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
TINT = 0.2  # share of the label's colour inside a mask
_FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")  # PIL's own font has Latin letters only
_GOLDEN_RATIO = 0.618033988749895
_JPEG_QUALITY = 90


class Outlined(Protocol):
    """What is drawn of a `Segment`; its mask is decoded at each access and not kept."""

    @property
    def mask(self) -> Mask: ...
    @property
    def label(self) -> str: ...
    @property
    def confidence(self) -> float: ...


def choose_colours(labels: Sequence[str]) -> dict[str, Colour]:
    """Give each label a colour: the one that it names, otherwise one very different from that of its neighbours."""
    return {label: parse_colour(label) or _colour(place) for place, label in enumerate(dict.fromkeys(labels))}


def encode_overlay(
    pixels: Pixels,
    segments: Sequence[Outlined],
    colours: Mapping[str, Colour],
    *,
    with_confidence: bool = True,
    with_boxes: bool = False,
) -> bytes:
    """Draw segments onto an image and encode it as a JPEG; small segments lie on top of large ones.

    Args:
        pixels: uint8 RGB (H, W, 3).
        colours: Of each label.
        with_confidence: Write it behind the label.
        with_boxes: Draw the box of each segment, too.
    """
    in_order, boxes = _order_by_area(segments)
    canvas = _tint(pixels, in_order, boxes, colours)
    draw, side = ImageDraw.Draw(canvas), max(canvas.size)
    width, font = max(2, round(side / 400)), _load_font(max(12, round(side / 55)))
    for segment, (left, top, right, bottom) in zip(in_order, boxes, strict=True):
        for ring in mask_to_rings(segment.mask):
            points = [tuple(corner) for corner in (*ring, ring[0])]
            draw.line(points, fill=(0, 0, 0), width=width + 2)
            draw.line(points, fill=colours[segment.label], width=width)
        if with_boxes:
            draw.rectangle((left, top, right - 1, bottom - 1), outline=colours[segment.label], width=max(1, width // 2))
    for segment, box in zip(in_order, boxes, strict=True):
        text = f"{segment.label} {segment.confidence:.2f}" if with_confidence else segment.label
        _draw_label(draw, box, text, colours[segment.label], font, canvas.size)
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _colour(place: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb((0.02 + place * _GOLDEN_RATIO) % 1, 0.85 - 0.25 * (place // 5 % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _order_by_area(segments: Sequence[Outlined]) -> tuple[list[Outlined], list[Box]]:
    """Return the segments, the largest first, and the boxes of their masks."""
    measured = []
    for segment in segments:
        mask = segment.mask
        measured.append((int(np.count_nonzero(mask)), mask_to_box(mask) or (0, 0, 0, 0), segment))
    measured.sort(key=lambda one: -one[0])
    return [segment for _, _, segment in measured], [box for _, box, _ in measured]


def _tint(
    pixels: Pixels, segments: Sequence[Outlined], boxes: Sequence[Box], colours: Mapping[str, Colour]
) -> Image.Image:
    """Return the image with colour inside the masks; only a mask's box of it is copied at a time."""
    canvas = Image.fromarray(pixels)
    for segment, (left, top, right, bottom) in zip(segments, boxes, strict=True):
        box, inside = np.array(canvas.crop((left, top, right, bottom))), segment.mask[top:bottom, left:right]
        box[inside] = (1 - TINT) * box[inside] + TINT * np.array(colours[segment.label])
        if inside.size:
            canvas.paste(Image.fromarray(box), (left, top))
    return canvas


def _draw_label(
    draw: ImageDraw.ImageDraw,
    box: Box,
    text: str,
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """Write a text on a bar above the segment, or as near as the image allows."""
    left, top, _, _ = box
    bounds = draw.textbbox((0, 0), text, font=font)
    width, height = bounds[2] - bounds[0] + 6, bounds[3] - bounds[1] + 6
    x, y = max(min(left, size[0] - width), 0), max(top - height, 0)
    is_bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 3 - bounds[0], y + 3 - bounds[1]), text, fill=(0, 0, 0) if is_bright else (255, 255, 255), font=font)


def _load_font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, pixels)
        except OSError:
            continue
    return ImageFont.load_default(pixels)
