"""Mask ↔ the value of a region, for every kind of region that can hold one. `build_value`'s inverse is
`mask_from_value`.

| kind      | value, percent of the upright image's width and height                     | mask → value → mask        |
|-----------|-----------------------------------------------------------------------------|----------------------------|
| brush     | `{"format": "rle", "rle": [0, 0, 0, 4, …]}` (`brush_rle`)                   | the same                   |
| bitmask   | `{"imageDataURL": "data:image/png;base64,…"}` (`bitmask_png`)               | the same                   |
| polygon   | `{"points": [[x, y], …], "closed": true}`                                   | within the tolerance       |
| rectangle | `{"x", "y", "width", "height", "rotation"}`; x, y is the top left corner    | the tightest upright box   |
| ellipse   | `{"x", "y", "radiusX", "radiusY", "rotation"}`; x, y is the centre          | the ellipse of its moments |

A kind is a result's `type` without "labels". Rotation is in degrees, clockwise: a rectangle rotates about its top left
corner, an ellipse about its centre. A result's `image_rotation` is only how the image was viewed. Label Studio's
polygon is one ring, and results that share an id are one region, of which it draws only the first shape. A mask with
several parts or with holes is therefore one ring whose parts are joined by bridges of zero width (`geometry.polygons`),
never several regions for one object. What is sent to a person is an outline, which avoids them (`geometry.outlines`).

Example: the pixels (1, 0) and (2, 0) of a 4x2 image as a rectangle are x 25, y 0, width 50, height 50.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BadRegion, BadRle, shorten
from backend.geometry import (
    Ellipse,
    PixelRuns,
    draw_strokes,
    ellipse_to_mask,
    fit_ellipse,
    mask_to_box,
    mask_to_polygon,
    pixel_to_percent,
    polygon_to_mask,
    rectangle_to_mask,
)
from backend.label_studio.config import SHAPES
from backend.label_studio.results.bitmask_png import decode_bitmask, encode_bitmask
from backend.label_studio.results.brush_rle import encode_brush
from backend.label_studio.results.brush_runs import decode_brush_runs
from backend.label_studio.results.brush_strokes import has_strokes, parse_strokes
from backend.values import Box, Mask, Size

Value = dict[str, Any]
Points = NDArray[np.float64]  # (N, 2) XY
REMEDY = "Delete this region in Label Studio and draw it again."
MAX_PERCENT = 1_000.0  # Label Studio does not allow drawing outside the image; ten image sizes away means damaged data
MIN_EXTENT_PERCENT = 1e-6  # a thousandth of a pixel of the widest image
MAX_CROSSINGS_PER_PIXEL = 4  # of a polygon's edges with rows; a border along all edges of all pixels has one
MAX_CROSSINGS_ANYWAY = 1_000_000  # which take a tenth of a second
PERCENT_DIGITS = 6  # half the JSON of 17 digits; 0.0001 pixels in an image 10,000 pixels wide
PIXEL_DIGITS = 3  # rounds the corners of pixels back to whole numbers
MAX_RADIUS = 50.0  # label-studio-sdk refuses predictions with a larger one


def build_value(mask: Mask, kind: str, *, tolerance: float, ring: Points | None = None) -> list[Value]:
    """Build the value of a region of that kind, without its labels; [] for an empty mask that the kind cannot hold.

    Args:
        mask: bool (H, W) at the size of the upright image.
        kind: One of `SHAPES`.
        tolerance: Maximum distance of a polygon from the mask's border, in pixels.
        ring: The polygon in pixels, if it is known already.

    Raises:
        ValueError: Another kind.
    """
    if kind == "brush":
        return [{"format": "rle", "rle": encode_brush(mask)}]
    if kind == "bitmask":
        return [{"imageDataURL": encode_bitmask(mask)}]
    if kind == "polygon":
        return _build_polygon(mask_to_polygon(mask, tolerance) if ring is None else ring, mask.shape)
    if kind == "rectangle":
        return _build_rectangle(mask)
    if kind == "ellipse":
        return _build_ellipse(mask)
    raise ValueError(f"The kind of a region must be one of {', '.join(SHAPES)}, but is {kind!r}.")


def mask_from_value(value: Mapping[str, Any], kind: str, size: Size) -> Mask:
    """Rasterise a region's value; a pixel belongs to it if its centre lies in it.

    Args:
        value: The value of a result, with or without its labels.
        kind: One of `SHAPES`.
        size: Size of the upright image (`original_width`, `original_height`).

    Raises:
        BadRle: A brush whose mask is missing or cannot be decoded.
        BadRegion: The parent of `BadRle`: any other shape that is missing or cannot be drawn; the message names it.
    """
    readers = {
        "brush": lambda: _read_brush(value, size),
        "bitmask": lambda: decode_bitmask(value.get("imageDataURL"), size),
        "polygon": lambda: polygon_to_mask(_read_points(value, size), size),
        "rectangle": lambda: _read_rectangle(value, size),
        "ellipse": lambda: ellipse_to_mask(_read_ellipse(value, size), size),
    }
    if kind not in readers:
        known = ", ".join(SHAPES)
        raise BadRegion(f"A {shorten(kind)} region has no mask; kinds with a mask are: {known}.", remedy=REMEDY)
    return readers[kind]()


def _build_polygon(ring: Points, shape: tuple[int, ...]) -> list[Value]:
    height, width = shape
    points = np.round(ring * (100 / width, 100 / height), PERCENT_DIGITS).tolist()
    return [{"points": points, "closed": True}] if points else []


def _build_rectangle(mask: Mask) -> list[Value]:
    box = mask_to_box(mask)
    if box is None:
        return []
    (height, width), (left, top, right, bottom) = mask.shape, box
    value: Value = {
        "x": pixel_to_percent(left, width),
        "y": pixel_to_percent(top, height),
        "width": pixel_to_percent(right - left, width),
        "height": pixel_to_percent(bottom - top, height),
        "rotation": 0,
    }
    return [value]


def _build_ellipse(mask: Mask) -> list[Value]:
    ellipse = fit_ellipse(mask)
    if ellipse is None:
        return []
    (height, width), (x, y), (across, down) = mask.shape, ellipse.center, ellipse.radii
    value: Value = {
        "x": pixel_to_percent(x, width),
        "y": pixel_to_percent(y, height),
        "radiusX": min(pixel_to_percent(across, width), MAX_RADIUS),
        "radiusY": min(pixel_to_percent(down, height), MAX_RADIUS),
        "rotation": ellipse.degrees,
    }
    return [value]


def _read_brush(value: Mapping[str, Any], size: Size) -> Mask:
    """Decode a brush, with the strokes that a draft has beside its mask or in place of it."""
    if not has_strokes(value):
        return runs_from_brush(value, size).to_mask()
    strokes = parse_strokes(value, size)
    mask = runs_from_brush(value, size).to_mask() if value.get("rle") else np.zeros((size.height, size.width), bool)
    return draw_strokes(mask, strokes)[0]


def runs_from_brush(value: Mapping[str, Any], size: Size) -> PixelRuns:
    """Return the pixels of a brush's value as runs.

    Raises:
        BadRle: It has no mask, or one that cannot be decoded.
    """
    if "rle" not in value:
        raise BadRle('The brush has no mask: its value has no "rle".', remedy=REMEDY)
    return decode_brush_runs(value["rle"], size)


def _read_points(value: Mapping[str, Any], size: Size) -> NDArray[np.float64]:
    points = value.get("points")
    if not isinstance(points, (list, tuple)) or len(points) < 3:
        given = f"{len(points)} points" if isinstance(points, (list, tuple)) else "no list of points"
        raise BadRegion(f"A polygon needs at least three points, but this one has {given}.", remedy=REMEDY)
    for number, point in enumerate(points, start=1):
        if not isinstance(point, (list, tuple)) or len(point) != 2 or not all(map(is_percent, point)):
            message = f"Point {number} of a polygon is {shorten(point)}, not two percentages of the image size."
            raise BadRegion(message, remedy=REMEDY)
    pixels = np.round(np.array(points, float) * (size.width / 100, size.height / 100), PIXEL_DIGITS)
    rows = np.clip(pixels[:, 1], 0, size.height)
    crossings = int(np.abs(rows - np.roll(rows, 1)).sum())
    if crossings > MAX_CROSSINGS_PER_PIXEL * size.width * size.height + MAX_CROSSINGS_ANYWAY:
        message = f"The {len(points)} edges of a polygon cross {crossings} rows of an image of only {size} pixels."
        raise BadRegion(message, remedy=REMEDY)
    return pixels


def polygon_box(value: Mapping[str, Any], size: Size) -> Box | None:
    """Return the box around a polygon's points within the image, without rasterising it; None if it is empty.

    Raises:
        BadRegion: The points are damaged.
    """
    points = _read_points(value, size)
    left, top = np.maximum(points.min(axis=0), 0.0)
    right, bottom = np.minimum(points.max(axis=0), (size.width, size.height))
    return (float(left), float(top), float(right), float(bottom)) if left < right and top < bottom else None


def _read_rectangle(value: Mapping[str, Any], size: Size) -> Mask:
    x, y, degrees = (_number(value, "rectangle", key) for key in ("x", "y", "rotation"))
    width, height = (_extent(value, "rectangle", key) for key in ("width", "height"))
    across, down = size.width / 100, size.height / 100
    return rectangle_to_mask(x * across, y * down, width * across, height * down, degrees, size)


def _read_ellipse(value: Mapping[str, Any], size: Size) -> Ellipse:
    x, y, degrees = (_number(value, "ellipse", key) for key in ("x", "y", "rotation"))
    radius_x, radius_y = (_extent(value, "ellipse", key) for key in ("radiusX", "radiusY"))
    across, down = size.width / 100, size.height / 100
    return Ellipse((x * across, y * down), (radius_x * across, radius_y * down), degrees)


def is_percent(number: Any) -> bool:
    """Whether the value is a number within ten image sizes; True, NaN and infinity are not."""
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    return is_number and -MAX_PERCENT <= number <= MAX_PERCENT


def _number(value: Mapping[str, Any], kind: str, key: str) -> float:
    """Read x, y, a size or the rotation, which is 0 if it is missing or null."""
    number: Any = value.get(key)
    if key == "rotation" and number is None:
        return 0.0
    if not is_percent(number):
        message = f'The {kind} has "{key}": {shorten(number)}, which is not a number from -1000 to 1000.'
        raise BadRegion(message, remedy=REMEDY)
    return float(number)


def _extent(value: Mapping[str, Any], kind: str, key: str) -> float:
    number = _number(value, kind, key)
    if number < MIN_EXTENT_PERCENT:
        message = f'The {kind} has "{key}": {shorten(number)}, which is not at least {MIN_EXTENT_PERCENT}.'
        raise BadRegion(message, remedy=REMEDY)
    return number
