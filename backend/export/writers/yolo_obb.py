"""YOLO labels of oriented boxes: the rectangle that a person drew, otherwise the smallest one around the mask.

A line is `class x1 y1 x2 y2 x3 y3 x4 y4`: the four corners in the order of the border, as shares of the picture's width
and height. A corner may lie outside the picture, but Ultralytics refuses the whole picture if the upright box around
the corners of one object is wider or higher than it, or has its centre outside. Corners of such boxes are moved to the
border; they are then no rectangles any more, and Ultralytics fits one to each. How many there were is counted.

Worked example: the pixels from (1, 1) to (2, 2) of a 4x8 image have the corners (1, 1) (3, 1) (3, 3) (1, 3), written
from any of them on: `0 0.250000 0.125000 0.750000 0.125000 0.750000 0.375000 0.250000 0.375000`.

Source: https://docs.ultralytics.com/datasets/obb/ and `verify_image_label` in ultralytics/data/utils.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.export.records import DataSet, EncodedRegion, LabeledImage
from backend.export.writers.yolo_folder import YoloFolder, describe_crowds, format_row
from backend.geometry import mask_to_rotated_box
from backend.values import Size

RECTANGLE = "rectangle"  # the `kind` of a region that was drawn as one, rotated or not
TOLERANCE = 1e-3  # pixels by which rounding may move a corner
MARGIN = 1e-5  # of the picture's width and height, by which rounding may enlarge a box


class YoloObbWriter:
    """Writer of YOLO labels of oriented boxes. Groups (`is_crowd`) are left out."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._crowds, self._cut = YoloFolder(folder, data_set), 0, 0

    def add(self, image: LabeledImage) -> None:
        regions = [region for region in image.regions if region.area and not region.is_crowd]
        self._crowds += sum(region.is_crowd for region in image.regions)
        self._folder.write(image, [self._line(region, image.size) for region in regions])

    def close(self) -> Sequence[str]:
        notes = [*self._folder.close(), *describe_crowds(self._crowds)]
        if self._cut:
            outside = f"{self._cut} boxes reach farther outside than Ultralytics accepts"
            notes.append(f"{outside}; their corners were moved to the border")
        return notes

    def _line(self, region: EncodedRegion, size: Size) -> str:
        corners = find_corners(region)
        beyond = np.maximum(-corners, corners - (size.width, size.height))
        is_inside = bool((beyond <= TOLERANCE).all())
        is_cut = not is_inside and not is_accepted(corners, size)
        self._cut += is_cut
        return format_row(self._folder.class_id(region.label), corners, size, clip=is_inside or is_cut)


def find_corners(region: EncodedRegion) -> NDArray[np.float64]:
    """Return the corners of a region's box, (4, 2) XY in pixels."""
    if region.kind == RECTANGLE and len(region.outline) == 4:
        return np.array(region.outline, float)
    return mask_to_rotated_box(region.decode_mask())


def is_accepted(corners: NDArray[np.float64], size: Size) -> bool:
    """Whether Ultralytics accepts a box with corners outside its picture: by the upright box around the corners.

    Args:
        corners: (4, 2) XY in pixels.
    """
    shares = corners / (size.width, size.height)
    low, high = shares.min(axis=0), shares.max(axis=0)
    centre = (low + high) / 2
    return bool((high - low <= 1 - MARGIN).all() and (centre >= 0).all() and (centre <= 1).all())
