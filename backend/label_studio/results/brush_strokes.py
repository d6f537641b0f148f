"""Strokes in the value of a brush that Label Studio has saved in a draft.

A draft holds a mask as it was accepted, and beside it what a person has painted and erased on it since; a mask that was
painted from the beginning has strokes alone. An annotation has one mask of both.

    {"format": "rle", "rle": [0, 0, 9, …], "touches": [{"type": "add", "relativePoints": [25.0, 50.0, 30.5, 50.0],
     "relativeStrokeWidth": 3.9, "points": […], "strokeWidth": 25, …}]}

`relativePoints` are x, y, x, y, … in percent of the image's width and height, `relativeStrokeWidth` is in percent of
its width, and `type` is "add" or "eraser". The others are pixels of the screen.
Source: `BrushRegion.jsx` of Label Studio 1.23.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backend.errors import BadRle, shorten
from backend.geometry import Stroke, draw_strokes
from backend.values import Mask, Size

KEY = "touches"
REMEDY = "Submit the annotation in Label Studio, or delete the region and draw it again."
MAX_PERCENT = 1_000.0  # as for other shapes: ten image sizes away means damaged data
MAX_PASSES = 300  # over all pixels of the image, by all strokes together; takes some tenths of a second at 1080p


def has_strokes(value: Mapping[str, Any]) -> bool:
    """Whether a brush's value has strokes beside its mask, or in place of it."""
    return bool(value.get(KEY))


def parse_strokes(value: Mapping[str, Any], size: Size) -> list[Stroke]:
    """Parse the strokes of a brush's value, the oldest first.

    Raises:
        BadRle: Strokes that cannot be drawn.
    """
    listed = value.get(KEY) or []
    if not isinstance(listed, list):
        raise BadRle(f'"{KEY}" of a brush must be a list, but is {shorten(listed)}.', remedy=REMEDY)
    strokes = [_parse(stroke, number, size) for number, stroke in enumerate(listed, start=1)]
    if sum(stroke.swept_area for stroke in strokes) > MAX_PASSES * max(size.width * size.height, 10_000):
        raise BadRle(f"The {len(strokes)} strokes of a brush are too long to be drawn.", remedy=REMEDY)
    return strokes


def find_painted(value: Mapping[str, Any], size: Size) -> Mask | None:
    """Return which pixels of an accepted mask were painted or erased since, bool (H, W); None for any other brush."""
    if not has_strokes(value) or not value.get("rle"):
        return None
    return draw_strokes(np.zeros((size.height, size.width), bool), parse_strokes(value, size))[1]


def _parse(stroke: object, number: int, size: Size) -> Stroke:
    fields = stroke if isinstance(stroke, Mapping) else {}
    points, width = fields.get("relativePoints"), fields.get("relativeStrokeWidth")
    kind = fields.get("type", "add")
    is_line = isinstance(points, list) and len(points) >= 2 and len(points) % 2 == 0 and all(map(_is_percent, points))
    if not is_line or not _is_percent(width) or kind not in ("add", "eraser"):
        raise BadRle(f"Stroke {number} of a brush has no line of percentages, no width or no kind.", remedy=REMEDY)
    pixels = np.array(points, float).reshape(-1, 2) * (size.width / 100, size.height / 100)
    return Stroke(pixels, float(width or 0) * size.width / 100, kind == "add")


def _is_percent(number: Any) -> bool:
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    return is_number and -MAX_PERCENT <= number <= MAX_PERCENT
