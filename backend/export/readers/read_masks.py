"""The folders `id_masks` and `masks` → images with regions.

| the folder has | it is      | regions                                                                            |
|----------------|------------|------------------------------------------------------------------------------------|
| objects.csv    | `id_masks` | one per PNG, with the label and id of its row; overlaps come back                  |
| classes.csv    | `masks`    | one per class and picture: all pixels of its colour, as objects are not told apart |

Example: the row `train/photo-task7_1.png,1,red,f628e28c` is a region of the picture that is named photo-task7.

`labeler_folders` writes them.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from backend.errors import BadDataSet, shorten
from backend.export.found_images import (
    FoundDataSet,
    FoundImage,
    FoundRegions,
    OnBadRegion,
    RegionList,
    build_region_id,
)
from backend.export.readers.read_pictures import (
    REMEDY,
    count_left_out,
    measure_picture,
    read_binary_mask,
    read_colours,
)
from backend.export.records import EncodedRegion, encode_region
from backend.export.writers.labeler_folders import OBJECT_COLUMNS
from backend.export.writers.picture_files import CLASS_COLUMNS
from backend.values import Mask, Pixels, Size

LAYOUT_REMEDY = "Name a folder of the format id_masks (objects.csv and PNGs) or masks (classes.csv and PNGs)."
OBJECTS, CLASSES = "objects.csv", "classes.csv"


@dataclass(frozen=True)
class _Object:
    """A row of objects.csv."""

    path: Path
    label: str
    region_id: str


def read_masks(path: Path) -> FoundDataSet:
    """Find the pictures of a folder.

    Raises:
        BadDataSet: It is none of the two, a table is damaged, or a PNG is missing.
    """
    if (path / OBJECTS).is_file():
        return _read_id_masks(path)
    if (path / CLASSES).is_file():
        return _read_colour_masks(path)
    raise BadDataSet(f"{path} has neither {OBJECTS} nor {CLASSES}.", remedy=LAYOUT_REMEDY)


def _read_id_masks(path: Path) -> FoundDataSet:
    digest, labels = hashlib.sha256(), Counter[str]()
    pictures: dict[str, list[_Object]] = {}
    for number, row in enumerate(_read_rows(path / OBJECTS, OBJECT_COLUMNS), start=2):
        name, where = PurePosixPath(row["file"]), f"{path / OBJECTS}, line {number}"
        stem, found, place = name.stem.rpartition("_")
        if not found or place != row["id"] or name.is_absolute() or ".." in name.parts:
            raise BadDataSet(
                f"{where}: {shorten(row['file'])} does not end with the object's id.", remedy=LAYOUT_REMEDY
            )
        if not (path / name).is_file():
            raise BadDataSet(f"{where}: {shorten(path / name)} is missing.", remedy="Copy the whole folder.")
        digest.update(f"{row}".encode())
        digest.update((path / name).read_bytes())
        labels[row["label"]] += 1
        picture = str(name.with_name(stem))
        region_id = row["region_id"] or build_region_id(picture, place)
        pictures.setdefault(picture, []).append(_Object(path / name, row["label"], region_id))
    images = [
        FoundImage(
            f'picture "{shorten(name)}"',
            PurePosixPath(name).name,
            partial(_read_objects, f'picture "{shorten(name)}"', objects),
            has_ending=False,
            path=f"images/{name}",
            size=measure_picture(objects[0].path),
        )
        for name, objects in pictures.items()
    ]
    left_out = _describe_left_out(path, images)
    return FoundDataSet(images, labels, digest=digest.hexdigest()[:8], left_out=left_out)


def _read_objects(name: str, objects: Sequence[_Object], size: Size, on_bad_region: OnBadRegion) -> FoundRegions:
    regions = RegionList(name, on_bad_region)
    for one in objects:
        regions.add(f"mask {one.path.name}", partial(_read_object, one, size))
    return regions.collect()


def _read_object(one: _Object, size: Size) -> EncodedRegion:
    mask = read_binary_mask(one.path)
    if (own := Size(mask.shape[1], mask.shape[0])) != size:
        raise BadDataSet(f"is {own} on an image of {size}.", remedy=REMEDY)
    return encode_region(mask, one.label, one.region_id)


def _read_colour_masks(path: Path) -> FoundDataSet:
    rows, digest = _read_rows(path / CLASSES, CLASS_COLUMNS), hashlib.sha256((path / CLASSES).read_bytes())
    try:
        colours = {_to_number([int(row[name]) for name in CLASS_COLUMNS[2:]]): row["label"] for row in rows}
    except ValueError as error:
        raise BadDataSet(f"{path / CLASSES} has a colour that is no number: {error}.", remedy=LAYOUT_REMEDY) from error
    images = []
    for file in sorted(path.rglob("*.png")):
        name = file.relative_to(path)
        if name.parts[0] != "images":
            digest.update(file.read_bytes())
            read = partial(_read_classes, f'picture "{shorten(name)}"', file, colours)
            size, picture = measure_picture(file), f"images/{name.with_suffix('').as_posix()}"
            title = f'picture "{shorten(name)}"'
            images.append(FoundImage(title, file.stem, read, has_ending=False, path=picture, size=size))
    if not images:
        raise BadDataSet(f"{path} has no PNGs.", remedy=LAYOUT_REMEDY)
    left_out, names = _describe_left_out(path, images), frozenset(colours.values())
    return FoundDataSet(images, digest=digest.hexdigest()[:8], further_labels=names, left_out=left_out)


def _describe_left_out(root: Path, images: Sequence[FoundImage]) -> str:
    count = count_left_out(root, (image.path for image in images))
    return f"{count} pictures in images have no mask and are left out" if count else ""


def _read_classes(
    name: str, path: Path, colours: Mapping[int, str], size: Size, on_bad_region: OnBadRegion
) -> FoundRegions:
    regions = RegionList(name, on_bad_region)
    try:
        numbers = _to_numbers(read_colours(path))
    except BadDataSet as error:
        on_bad_region(BadDataSet(f"{name[:1].upper()}{name[1:]} {error.message}", remedy=error.remedy))
        return regions.collect()
    for number in np.unique(numbers).tolist():
        if colours.get(number) != "":
            regions.add(
                f"colour {number & 255}, {number >> 8 & 255}, {number >> 16}",
                partial(_read_class, path.stem, numbers == number, colours.get(number)),
            )
    return regions.collect()


def _read_class(stem: str, mask: Mask, label: str | None) -> EncodedRegion:
    if label is None:
        message = f"is the colour of no class, but of {int(mask.sum())} pixels."
        raise BadDataSet(message, remedy="Save the picture without smoothing and without loss, as PNG.")
    return encode_region(mask, label, build_region_id(stem, label))


def _to_numbers(pixels: Pixels) -> NDArray[np.uint32]:
    return np.asarray(pixels.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32))


def _to_number(colour: Sequence[int]) -> int:
    return colour[0] + 256 * colour[1] + 65536 * colour[2]


def _read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadDataSet(f"{path} cannot be read: {shorten(error)}.", remedy=LAYOUT_REMEDY) from error
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing or any(None in row.values() for row in rows):
        what = f"has no column {missing[0]}" if missing else "has a line that ends too early"
        raise BadDataSet(f"{path} {what}.", remedy=LAYOUT_REMEDY)
    return rows
