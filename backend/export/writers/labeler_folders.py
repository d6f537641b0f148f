"""The four folders of a known batch labeler, a format each: `id_masks`, `masks`, `overlays` and `bboxes`.

With all four formats an export has the folders side by side; the ids of objects, from 1 in each picture in the order of
the regions, are the same in all of them.

| format   | of picture `photo-task7.jpg`                                                                           |
|----------|--------------------------------------------------------------------------------------------------------|
| id_masks | `photo-task7_1.png`, `photo-task7_2.png`, …: an object each, a 1-bit PNG of the image's size, white on black; `objects.csv` has their labels |
| masks    | `photo-task7.png`: RGB, each object in the colour of its class (`classes.csv`), later regions on top   |
| overlays | `photo-task7.jpg`: the picture with outlines, labels and boxes                                         |
| bboxes   | `photo-task7.csv`: `id,xmin,ymin,xmax,ymax` in pixels; xmax and ymax are the first column and row after the object, so xmax - xmin is its width |

Example: an object of the pixels (1, 0) and (2, 0) has the row `1,1,0,3,1`.

A split is a folder between. Pictures, where they are exported, lie in `images/`. A picture without objects has no file
in `id_masks`, a black one in `masks` and only the header in `bboxes`.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageOps

from backend.errors import ExportError, shorten
from backend.export.label_statistics import encode_rows
from backend.export.names import UniqueStems
from backend.export.overlay import Colour, encode_overlay
from backend.export.records import DataSet, EncodedRegion, LabeledImage
from backend.export.writers.label_map import (
    KeyPointCounter,
    OverlapCounter,
    count_visible,
    decode_in_rows,
    list_objects,
    paint_numbers,
)
from backend.export.writers.open_picture import REMEDY, open_picture
from backend.export.writers.picture_files import (
    BACKGROUND,
    append_rows,
    choose_class_colours,
    link_picture,
    numbers_to_rgb,
    write_classes,
    write_png,
)
from backend.values import Mask, Pixels, Size

OBJECT_COLUMNS = ("file", "id", "label", "region_id")
BOX_COLUMNS = ("id", "xmin", "ymin", "xmax", "ymax")


class _FolderWriter:
    """What the four writers have in common: the folder, the colours and one name per picture."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder = folder
        self._stems, self._key_points = UniqueStems(), KeyPointCounter()
        self._colours: Mapping[str, Colour] = choose_class_colours(data_set)

    def close(self) -> Sequence[str]:
        return self._key_points.describe()


class IdMaskWriter(_FolderWriter):
    """Writer of a binary PNG per object. Masks come back exactly, overlaps included."""

    def add(self, image: LabeledImage) -> None:
        stem = self._stems.take(image.file_name)
        rows = []
        for number, region in enumerate(list_objects(image), start=1):
            path = self._folder / image.split / f"{stem}_{number}.png"
            write_png(path, decode_in_rows(region))
            rows.append((path.relative_to(self._folder).as_posix(), number, region.label, region.region_id))
        append_rows(self._folder / "objects.csv", OBJECT_COLUMNS, rows)
        self._key_points.add(image)
        link_picture(image, self._folder, stem)


class ColourMaskWriter(_FolderWriter):
    """Writer of one RGB PNG per picture, in the colours of the classes."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        super().begin(folder, data_set)
        self._overlaps = OverlapCounter()
        write_classes(folder / "classes.csv", self._colours)

    def add(self, image: LabeledImage) -> None:
        stem = self._stems.take(image.file_name)
        objects, numbers = list_objects(image), paint_numbers(image)
        self._overlaps.add(image, count_visible(image, numbers))
        colours = [BACKGROUND, *(self._colours[region.label] for region in objects)]
        palette = np.array([red + 256 * green + 65536 * blue for red, green, blue in colours], np.uint32)
        write_png(self._folder / image.split / f"{stem}.png", numbers_to_rgb(palette[numbers]))
        link_picture(image, self._folder, stem)

    def close(self) -> Sequence[str]:
        return self._overlaps.describe()


@dataclass(frozen=True)
class _Outlined:
    """An object whose mask is decoded each time: all masks of a large picture at once would fill the memory."""

    region: EncodedRegion
    confidence: float = 1.0

    @property
    def mask(self) -> Mask:
        return decode_in_rows(self.region)

    @property
    def label(self) -> str:
        return self.region.label


class OverlayWriter(_FolderWriter):
    """Writer of a JPEG per picture with the outlines, labels and boxes of its objects; for people, not for training."""

    def add(self, image: LabeledImage) -> None:
        self._key_points.add(image)
        path = self._folder / image.split / f"{self._stems.take(image.file_name)}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        segments = [_Outlined(region) for region in list_objects(image)]
        path.write_bytes(
            encode_overlay(read_picture(image), segments, self._colours, with_confidence=False, with_boxes=True)
        )


class BoxWriter(_FolderWriter):
    """Writer of a CSV of boxes per picture."""

    def add(self, image: LabeledImage) -> None:
        stem = self._stems.take(image.file_name)
        rows = [
            (number, left, top, left + width, top + height)
            for number, (left, top, width, height) in enumerate((region.bbox for region in list_objects(image)), 1)
        ]
        path = self._folder / image.split / f"{stem}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_rows(BOX_COLUMNS, rows))
        self._key_points.add(image)
        link_picture(image, self._folder, stem)


def read_picture(image: LabeledImage) -> Pixels:
    """Read an image's picture as upright uint8 RGB (H, W, 3).

    Raises:
        ExportError: The picture is missing, cannot be decoded, or has another size than the annotation.
    """
    with open_picture(image) as file:
        ImageOps.exif_transpose(file, in_place=True)
        pixels = np.asarray(file if file.mode == "RGB" else file.convert("RGB"))
    if (size := Size(pixels.shape[1], pixels.shape[0])) != image.size:
        where = f"Task {image.task_id}, picture {shorten(image.file_name)}"
        raise ExportError(f"{where} is {size}, but was annotated as {image.size}.", remedy=REMEDY)
    return pixels
