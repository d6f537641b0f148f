"""YOLO segmentation labels: one outline per object, holes and parts joined by bridges of one pixel.

A line of a label file is the class and the points of one closed outline: `0 0.010417 0.010417 …`. The format has no
holes and no second part, and Ultralytics has trouble with outlines of 1000 points or more, so masks are kept as well as
`geometry.mask_to_bridged_outline` can: exact but for the bridges where the points suffice. The loss is measured as
Ultralytics reads the file, with `cv2.fillPoly`.

Worked example: the pixels from (1, 1) to (2, 2) of a 4x4 image have the outline (1.25, 1.25) (1.25, 2.25) (2.25, 2.25)
(2.25, 1.25): `0 0.312500 0.312500 0.312500 0.562500 0.562500 0.562500 0.562500 0.312500`.

Source: https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.errors import shorten
from backend.export.records import DataSet, EncodedRegion, LabeledImage
from backend.export.writers.yolo_folder import YoloFolder, describe_crowds, format_row
from backend.geometry import bridged_outline_iou, mask_to_bridged_outline

MAX_POINTS = 999


class YoloSegWriter:
    """Writer of YOLO segmentation labels.

    Groups (`is_crowd`) are left out, as in Ultralytics' own conversion of COCO.

    Args:
        tolerance: Distance in pixels within which points are removed even where there are few enough.
    """

    def __init__(self, tolerance: float = 0.0) -> None:
        self._tolerance = tolerance
        self._masks, self._crowds, self._iou_sum = 0, 0, 0.0
        self._lowest = (2.0, "")

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder = YoloFolder(folder, data_set)

    def add(self, image: LabeledImage) -> None:
        lines = []
        for region in image.regions:
            if region.is_crowd:
                self._crowds += 1
            elif region.area:
                lines.append(self._line(image, region))
        self._folder.write(image, lines)

    def close(self) -> Sequence[str]:
        notes = self._folder.close()
        if self._masks:
            mean, (lowest, where) = self._iou_sum / self._masks, self._lowest
            notes.append(
                f"IoU of outline and mask: mean {mean:.4f} of {self._masks}, lowest {lowest:.4f} ({where})",
            )
        return [*notes, *describe_crowds(self._crowds)]

    def _line(self, image: LabeledImage, region: EncodedRegion) -> str:
        mask = region.decode_mask()
        outline = mask_to_bridged_outline(mask, MAX_POINTS, self._tolerance)
        iou = bridged_outline_iou(outline, mask)
        self._masks += 1
        self._iou_sum += iou
        if iou < self._lowest[0]:
            self._lowest = (iou, f'region "{shorten(region.region_id)}" of task {image.task_id}')
        return format_row(self._folder.class_id(region.label), outline, image.size)
