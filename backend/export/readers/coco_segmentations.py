"""COCO's `segmentation` → a mask as compressed RLE: compressed and uncompressed RLE, polygons, or the box alone.

| segmentation                                   | becomes                                                            |
|------------------------------------------------|--------------------------------------------------------------------|
| `{"counts": "21102", "size": [2, 4]}`          | itself; `counts` is checked, because pycocotools does not check it |
| `{"counts": [2, 1, 1, 1, 3], "size": [2, 4]}`  | the same, compressed                                               |
| `[[x, y, x, y, x, y, …], …]`                   | the union of the polygons, as pycocotools rasterises them          |
| none, `[]`                                     | the pixels whose centre lies in `bbox`                             |

Example: all of the first three rows are the pixels (1, 0) and (2, 0) of a 4x2 image, the last with
`[[1, 0, 3, 0, 3, 1, 1, 1]]`; so is the bbox [1, 0, 2, 1].

Source: pycocotools/mask.py; `coco.CocoWriter` writes what this reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from backend.errors import BadDataSet, shorten
from backend.export.found_images import is_number
from backend.export.records import Json
from backend.geometry import check_counts, decode_coco_counts, rectangle_to_mask
from backend.values import Mask, Size

MIN_NUMBERS = 6  # three points
MAX_SIDES_AWAY = 10  # a polygon that leaves its image so far is damaged
REMEDY = "Export the data set again, or leave such annotations out with --skip-bad-regions."


def decode_segmentation(segmentation: Any, size: Size) -> Json:
    """Return the mask as compressed RLE, JSON-ready.

    Args:
        segmentation: Not empty.

    Raises:
        BadDataSet: It is damaged, or of another size. The message continues "annotation 7 …".
    """
    if isinstance(segmentation, Mapping):
        return _read_rle(segmentation, size)
    if isinstance(segmentation, list):
        nested = [segmentation] if segmentation and all(map(is_number, segmentation)) else segmentation
        return _read_polygons(nested, size)
    raise BadDataSet(f"has a segmentation of an unknown kind: {shorten(segmentation)}.", remedy=REMEDY)


def decode_box(bbox: Any, size: Size) -> Mask:
    """Return the mask of a box, bool (H, W).

    Args:
        bbox: x, y, width, height in pixels.

    Raises:
        BadDataSet: It is damaged. The message continues "annotation 7 …".
    """
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(is_number, bbox)):
        message = f"has neither a segmentation nor a box of four numbers, but the bbox {shorten(bbox)}."
        raise BadDataSet(message, remedy=REMEDY)
    left, top, width, height = bbox
    limit = MAX_SIDES_AWAY * max(size.width, size.height)
    if width <= 0 or height <= 0 or max(map(abs, bbox)) > limit:
        raise BadDataSet(f"has a box that covers no pixel of the image: {shorten(bbox)}.", remedy=REMEDY)
    return rectangle_to_mask(left, top, width, height, 0.0, size)


def measure(segmentation: Json) -> tuple[int, tuple[int, int, int, int]]:
    """Return area and bbox of a compressed RLE."""
    left, top, width, height = (int(side) for side in coco_mask.toBbox(segmentation).tolist())
    return int(coco_mask.area(segmentation)), (left, top, width, height)


def _read_rle(segmentation: Mapping[str, Any], size: Size) -> Json:
    counts, stated = segmentation.get("counts"), segmentation.get("size")
    if stated != [size.height, size.width]:
        shown = f"{stated[1]}x{stated[0]}" if isinstance(stated, list) and len(stated) == 2 else shorten(stated)
        message = f"has a mask of {shown} on an image of {size}."
        raise BadDataSet(message, remedy="The mask was drawn on another version of the image; remove or redraw it.")
    try:
        if isinstance(counts, str):
            lengths = decode_coco_counts(counts, size.width * size.height)
        elif isinstance(counts, list) and all(type(count) is int and abs(count) < 1 << 40 for count in counts):
            lengths = check_counts(np.array(counts, np.int64), size.width * size.height)
        else:
            raise ValueError(f"its counts are {shorten(counts)}")
    except ValueError as error:
        raise BadDataSet(f"has a broken RLE: {error}.", remedy=REMEDY) from error
    if isinstance(counts, str):
        return {"size": [size.height, size.width], "counts": counts}
    uncompressed = {"size": [size.height, size.width], "counts": lengths.tolist()}
    return _to_json(coco_mask.frPyObjects(uncompressed, size.height, size.width))


def _read_polygons(polygons: Sequence[Any], size: Size) -> Json:
    limit = MAX_SIDES_AWAY * max(size.width, size.height)
    for number, polygon in enumerate(polygons, start=1):
        which = f"polygon {number} of {len(polygons)}" if len(polygons) > 1 else "a polygon"
        if not isinstance(polygon, list) or not all(map(is_number, polygon)) or len(polygon) % 2:
            raise BadDataSet(f"has {which} that is no list of x and y in turn: {shorten(polygon)}.", remedy=REMEDY)
        if len(polygon) < MIN_NUMBERS:
            points = len(polygon) // 2
            raise BadDataSet(f"has {which} with {points} points, but three are needed.", remedy=REMEDY)
        if max(map(abs, polygon)) > limit:
            raise BadDataSet(f"has {which} that lies far outside of its image of {size}.", remedy=REMEDY)
    parts = coco_mask.frPyObjects([list(map(float, polygon)) for polygon in polygons], size.height, size.width)
    return _to_json(coco_mask.merge(parts))


def _to_json(rle: Json) -> Json:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
