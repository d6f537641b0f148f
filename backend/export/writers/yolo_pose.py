"""YOLO pose labels: rectangles with the key points that a person put into them.

A line is `class x y width height x1 y1 v1 x2 y2 v2 …`: the box as in detection labels, then every key point of the
labeling config in its order, as shares of the picture's width and height. v is 2 for a point that was set; one that is
missing is `0 0 0`. `kpt_shape` in `data.yaml` tells how many there are. `flip_idx` (which points change places in a
mirrored picture) is nothing that a labeling config knows: without it Ultralytics does not mirror pictures.

A key point belongs to the region that is its parent in Label Studio. The objects are the rectangles, with or without
points, and other regions with points; the rest is left out and counted.

Worked example: in a 4x8 image the box of the pixels from (1, 1) to (2, 2), with the second of two points set at (2, 2):
`0 0.500000 0.250000 0.500000 0.250000 0 0 0 0.500000 0.250000 2`.

Source: https://docs.ultralytics.com/datasets/pose/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.errors import ExportError, shorten
from backend.export.records import DataSet, EncodedRegion, KeyPoint, LabeledImage
from backend.export.writers.yolo_folder import YoloFolder, describe_crowds, format_box, format_shares
from backend.export.writers.yolo_obb import RECTANGLE
from backend.values import Size

MISSING = "0 0 0"
VISIBLE = 2


class YoloPoseWriter:
    """Writer of YOLO pose labels. Groups (`is_crowd`) are left out."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        if not data_set.key_points:
            raise ExportError(
                "There are no labels of key points that are certainly work, and poses consist of them.",
                remedy="Name the control of the key points with --keep, if it is smart; or choose another format.",
            )
        self._labels = data_set.key_points
        self._folder = YoloFolder(folder, data_set, [f"kpt_shape: [{len(self._labels)}, 3]"])
        self._crowds, self._left_out = 0, Counter[str]()

    def add(self, image: LabeledImage) -> None:
        self._crowds += sum(region.is_crowd for region in image.regions)
        regions = [region for region in image.regions if region.area and not region.is_crowd]
        points = self._group(image, {region.region_id for region in regions})
        objects = [region for region in regions if region.kind == RECTANGLE or region.region_id in points]
        self._left_out["regions that are neither rectangles nor have key points"] += len(regions) - len(objects)
        lines = [self._line(region, points.get(region.region_id, {}), image.size) for region in objects]
        self._folder.write(image, lines)

    def close(self) -> Sequence[str]:
        left_out = [f"{count} {what} were left out" for what, count in self._left_out.items() if count]
        return [*self._folder.close(), *describe_crowds(self._crowds), *left_out]

    def _group(self, image: LabeledImage, region_ids: set[str]) -> dict[str, dict[int, KeyPoint]]:
        """Return the key points of each region by their position in the pose."""
        groups: dict[str, dict[int, KeyPoint]] = {}
        for point in image.key_points:
            if point.parent_id not in region_ids:
                self._left_out["key points that belong to no object"] += 1
                continue
            group, place = groups.setdefault(point.parent_id, {}), self._place(point, image.task_id)
            self._left_out["further key points of the same label in an object"] += place in group
            group.setdefault(place, point)
        return groups

    def _place(self, point: KeyPoint, task_id: int) -> int:
        """Return the position of a key point in the pose, from 0."""
        if point.index is not None and 0 <= point.index < len(self._labels):
            return point.index
        if point.index is None and point.label in self._labels:
            return self._labels.index(point.label)
        label = shorten(repr(point.label))
        where = f'Task {task_id}: the key point "{shorten(point.region_id)}" with the label {label}'
        if point.index is None:
            known = shorten(", ".join(self._labels))
            raise ExportError(
                f"{where} has none of the labels for key points in the labeling config: {known}.",
                remedy="Assign one of these to it, or restore its label in the labeling config.",
            )
        count = len(self._labels)
        raise ExportError(
            f"{where} has the model_index {point.index}, and the labeling config has {count} labels for key points.",
            remedy=f"Number them from 0 to {count - 1} in the labeling config, or leave out model_index.",
        )

    def _line(self, region: EncodedRegion, points: Mapping[int, KeyPoint], size: Size) -> str:
        box = format_box(self._folder.class_id(region.label), region.bbox, size)
        places = range(len(self._labels))
        return " ".join([box, *(_format_point(points[at], size) if at in points else MISSING for at in places)])


def _format_point(point: KeyPoint, size: Size) -> str:
    return f"{format_shares([(point.x, point.y)], size)} {VISIBLE}"
