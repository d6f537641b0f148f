"""YOLO detection labels: the box of each object's mask.

A line is `class x y width height`: the centre and the size, as shares of the picture's width and height.

Worked example: the pixels from (1, 1) to (2, 2) of a 4x8 image are `0 0.500000 0.250000 0.500000 0.250000`.

Source: https://docs.ultralytics.com/datasets/detect/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.export.records import DataSet, LabeledImage
from backend.export.writers.yolo_folder import YoloFolder, describe_crowds, format_box


class YoloDetWriter:
    """Writer of YOLO detection labels. Groups (`is_crowd`) are left out."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._crowds = YoloFolder(folder, data_set), 0

    def add(self, image: LabeledImage) -> None:
        regions = [region for region in image.regions if region.area and not region.is_crowd]
        self._crowds += sum(region.is_crowd for region in image.regions)
        class_id = self._folder.class_id
        self._folder.write(image, [format_box(class_id(region.label), region.bbox, image.size) for region in regions])

    def close(self) -> Sequence[str]:
        return [*self._folder.close(), *describe_crowds(self._crowds)]
