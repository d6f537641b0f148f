"""Instance segmentation: one 16-bit grey PNG per picture, `masks/[SPLIT/]photo-task7.png`.

A pixel is 0 for the background, otherwise the id of its object, from 1 in each picture; the later region is on top.
`objects.csv` lists the ids with their labels. Pictures, where they are exported, lie in `images/[SPLIT/]` under the
same name.

Source: the layout of the Cityscapes and KITTI instance maps, with the class in a table beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend.errors import ExportError
from backend.export.names import UniqueStems
from backend.export.records import DataSet, LabeledImage
from backend.export.writers.label_map import OverlapCounter, count_visible, list_objects, paint_numbers
from backend.export.writers.picture_files import append_rows, link_picture, write_png

MAX_OBJECTS = 65535
COLUMNS = ("file", "id", "label", "region_id")


class InstanceWriter:
    """Writer of object ids. Exact where regions do not overlap."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._stems, self._overlaps = folder, UniqueStems(), OverlapCounter()

    def add(self, image: LabeledImage) -> None:
        objects = list_objects(image)
        if len(objects) > MAX_OBJECTS:
            raise ExportError(
                f"Task {image.task_id} has {len(objects)} regions on a picture, and a 16-bit PNG holds {MAX_OBJECTS}.",
                remedy="Export as panoptic, id_masks or coco.",
            )
        stem, numbers = self._stems.take(image.file_name), paint_numbers(image)
        self._overlaps.add(image, count_visible(image, numbers))
        path = self._folder / "masks" / image.split / f"{stem}.png"
        write_png(path, numbers.astype(np.uint16))
        name = path.relative_to(self._folder).as_posix()
        rows = [(name, number, region.label, region.region_id) for number, region in enumerate(objects, start=1)]
        append_rows(self._folder / "objects.csv", COLUMNS, rows)
        link_picture(image, self._folder, stem)

    def close(self) -> Sequence[str]:
        return self._overlaps.describe()
