"""Ultralytics' folder layout, which all YOLO formats share: pictures, one label file a picture, and `data.yaml`.

    images/train/photo-task7.jpg    only if pictures are exported
    labels/train/photo-task7.txt    a line per object; empty for a negative
    data.yaml                       names of the classes, and the folders of the splits

A label file is found by the path of its picture: `images` becomes `labels`, the ending `.txt`. So two pictures must not
differ only in their ending. GIFs and AVIFs are written as PNGs: Ultralytics skips GIFs without a message, and older
releases of it and RF-DETR skip AVIFs, too.

All coordinates are shares of the picture's width and height. Without splits everything is "train", which is also used
for validation, because Ultralytics refuses a data set without one.

Source: https://docs.ultralytics.com/datasets/segment/ and `img2label_paths` in ultralytics/data/utils.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import ArrayLike

from backend.export.files import link_or_copy
from backend.export.names import UniqueStems
from backend.export.records import DataSet, LabeledImage
from backend.export.writers.open_picture import open_picture
from backend.export.writers.picture_files import write_png
from backend.values import Size

DEFAULT_SPLIT = "train"
KEYS = {"valid": "val", "validation": "val"}  # of data.yaml, for splits that have other names
UNREAD = (".gif", ".avif")  # endings of pictures that are not among `IMG_FORMATS` in ultralytics/data/utils.py


class YoloFolder:
    """A YOLO data set on its way to the disk.

    Args:
        folder: New and empty.
        extra: Further lines of `data.yaml`.
    """

    def __init__(self, folder: Path, data_set: DataSet, extra: Sequence[str] = ()) -> None:
        self._folder = folder
        self._class_ids = {name: number for number, name in enumerate(data_set.categories)}
        self._with_pictures = data_set.with_pictures
        self._stems, self._renamed, self._converted = UniqueStems(), 0, 0
        splits = data_set.splits or (DEFAULT_SPLIT,)
        for split in splits:
            (folder / "labels" / split).mkdir(parents=True, exist_ok=True)
            (folder / "images" / split).mkdir(parents=True, exist_ok=True)
        lines = [*_list_splits(splits), *extra, "names:", *_list_names(data_set.categories)]
        (folder / "data.yaml").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def class_id(self, label: str) -> int:
        """Return the number of a category, from 0 in the order of the labeling config."""
        return self._class_ids[label]

    def write(self, image: LabeledImage, lines: Iterable[str]) -> None:
        """Write the label file of a picture, and the picture if there is one."""
        split = image.split or DEFAULT_SPLIT
        stem, name = self._stems.take(image.file_name), PurePosixPath(image.file_name)
        self._renamed += stem != name.stem
        labels = self._folder / "labels" / split / f"{stem}.txt"
        labels.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        if image.picture is not None:
            self._write_picture(image, image.picture, self._folder / "images" / split / (stem + name.suffix))

    def close(self) -> list[str]:
        """Return what a person should know about the layout."""
        notes = []
        if not self._with_pictures:
            notes.append("the pictures are missing: copy them into images/SPLIT, or export them with --with-images")
        if self._renamed:
            notes.append(f"{self._renamed} pictures were renamed, because names must not differ only in their ending")
        if self._converted:
            notes.append(f"{self._converted} GIFs and AVIFs were written as PNGs, because Ultralytics may skip them")
        return notes

    def _write_picture(self, image: LabeledImage, picture: Path, target: Path) -> None:
        if target.suffix.lower() not in UNREAD:
            link_or_copy(picture, target)
            return
        with open_picture(image) as file:
            pixels = np.asarray(file.convert("RGB"))
        write_png(target.with_suffix(".png"), pixels)
        self._converted += 1


def describe_crowds(count: int) -> list[str]:
    """Return a note about groups (`is_crowd`), which YOLO does not know; Ultralytics leaves out those of COCO."""
    return [f"{count} regions of groups (iscrowd) were left out"] if count else []


def format_row(class_id: int, points: ArrayLike, size: Size, *, clip: bool = True) -> str:
    """Format an object's line: its class, then its points. See `format_shares`."""
    return f"{class_id} {format_shares(points, size, clip=clip)}"


def format_shares(points: ArrayLike, size: Size, *, clip: bool = True) -> str:
    """Format points as shares of the picture's width and height.

    Args:
        points: (N, 2) XY in pixels.
        clip: Whether points outside the picture are moved to its border.
    """
    shares = np.asarray(points, float) / (size.width, size.height)
    return " ".join(f"{share:.6f}" for share in (np.clip(shares, 0, 1) if clip else shares).ravel().tolist())


def format_box(class_id: int, bbox: tuple[int, int, int, int], size: Size) -> str:
    """Format an axis-aligned box: its class, centre, width and height.

    Args:
        bbox: x, y, width, height in pixels.
    """
    x, y, width, height = bbox
    return format_row(class_id, [(x + width / 2, y + height / 2), (width, height)], size)


def quote_yaml(text: str) -> str:
    """Quote a text for YAML, on one line; without quotes `no`, `1` and `a: b` are not texts."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    visible = (letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in escaped)
    return f'"{"".join(visible)}"'


def _list_splits(splits: Sequence[str]) -> list[str]:
    keys: Mapping[str, str] = {KEYS.get(split, split): split for split in splits}
    train = keys.get("train", splits[0])
    folders = {"train": train, "val": keys.get("val", train)} | dict(keys)
    return [f"{quote_yaml(key)}: {quote_yaml(f'images/{split}')}" for key, split in folders.items()]


def _list_names(categories: Sequence[str]) -> list[str]:
    return [f"  {number}: {quote_yaml(name)}" for number, name in enumerate(categories)]
