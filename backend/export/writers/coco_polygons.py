"""Masks as COCO's polygons: one closed outline per part, within a tolerance.

COCO has no holes in polygons: a reader takes the union of an annotation's polygons. So a hole is joined to the outline
of its part by a bridge of zero width, which pycocotools rasterises as nothing.

Example: a 3x3 square without its middle pixel is the one polygon 0 0 3 0 3 3 0 3 with a detour around (1, 1) to (2, 2).
"""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from backend.errors import shorten
from backend.export.records import EncodedRegion, LabeledImage
from backend.geometry import mask_to_polygons


class PolygonEncoder:
    """Encoder of masks as polygons that measures what is lost, as pycocotools rasterises them.

    Args:
        tolerance: Pixels that an outline may leave the mask's border.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._masks, self._iou_sum, self._lowest, self._with_holes = 0, 0.0, (2.0, ""), 0

    def encode(self, image: LabeledImage, region: EncodedRegion) -> list[list[int]]:
        """Encode a mask that is not empty: x and y in turn. They are whole, as every vertex is a pixel's corner."""
        rings, holes = mask_to_polygons(region.decode_mask(), self._tolerance)
        polygons: list[list[int]] = [np.rint(ring).astype(int).ravel().tolist() for ring in rings]
        self._with_holes += holes > 0
        self._count(image, region, polygons)
        return polygons

    def describe(self) -> list[str]:
        """Describe the loss."""
        if not self._masks:
            return []
        mean, (lowest, where) = self._iou_sum / self._masks, self._lowest
        lines = [
            f"IoU of polygons and mask: mean {mean:.4f} of {self._masks}, lowest {lowest:.4f} ({where})",
        ]
        if self._with_holes:
            lines.append(f"{self._with_holes} masks have holes, joined to the outline by bridges without area")
        return lines

    def _count(self, image: LabeledImage, region: EncodedRegion, polygons: list[list[int]]) -> None:
        height, width = region.segmentation["size"]
        restored = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
        iou = float(coco_mask.iou([restored], [region.segmentation], [0])[0, 0])
        self._masks += 1
        self._iou_sum += iou
        if iou < self._lowest[0]:
            self._lowest = (iou, f'region "{shorten(region.region_id)}" of task {image.task_id}')
