"""Semantic segmentation: one indexed PNG per picture, `masks/[SPLIT/]photo-task7.png`.

A pixel is 0 for the background, otherwise the place of its class in the labeling config, from 1; the later region is on
top. The palette has the classes' colours, and `classes.csv` lists them. Objects are not told apart. Pictures, where
they are exported, lie in `images/[SPLIT/]` under the same name.

Source: the layout of PASCAL VOC's SegmentationClass and of ADE20K.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend.errors import ExportError
from backend.export.names import UniqueStems
from backend.export.records import DataSet, LabeledImage
from backend.export.writers.label_map import OverlapCounter, count_visible, list_objects, paint_numbers
from backend.export.writers.picture_files import (
    BACKGROUND,
    choose_class_colours,
    link_picture,
    write_classes,
    write_indexed_png,
)

MAX_CLASSES = 255


class SemanticWriter:
    """Writer of class indices. Exact where regions of different classes do not overlap."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        count = len(data_set.categories)
        if count > MAX_CLASSES:
            raise ExportError(
                f"The labeling config has {count} labels, but a semantic PNG can hold {MAX_CLASSES}.",
                remedy="Export as instances, panoptic or coco, or use fewer labels.",
            )
        self._folder, self._stems, self._overlaps = folder, UniqueStems(), OverlapCounter()
        colours = choose_class_colours(data_set)
        self._indices = {name: index for index, name in enumerate(colours, start=1)}
        self._palette = [BACKGROUND, *colours.values()]
        write_classes(folder / "classes.csv", colours)

    def add(self, image: LabeledImage) -> None:
        stem = self._stems.take(image.file_name)
        objects, numbers = list_objects(image), paint_numbers(image)
        self._overlaps.add(image, count_visible(image, numbers))
        indices = np.array([0, *(self._indices[region.label] for region in objects)], np.uint8)
        write_indexed_png(self._folder / "masks" / image.split / f"{stem}.png", indices[numbers], self._palette)
        link_picture(image, self._folder, stem)

    def close(self) -> Sequence[str]:
        return self._overlaps.describe()
