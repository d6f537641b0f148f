"""Ultralytics' label files → images with regions: outlines, boxes where a line has only one, scores where it has them.

A line is a class and what follows, as shares of the picture's width and height:

| numbers after the class | are                                                                   |
|-------------------------|-----------------------------------------------------------------------|
| 4, 5                    | a box: its centre, width and height, and perhaps its score            |
| 6, 8, 10, …             | the points of an outline, x and y in turn                             |
| 7, 9, 11, …             | the same, then the score, as `yolo predict save_txt save_conf` writes |

An outline is filled as Ultralytics fills it, with `cv2.fillPoly`: exactly what `YoloSegWriter` measured its loss with.
Points may lie outside the picture, as corners of oriented boxes do, if the upright box around them is no larger than it
and has its centre inside; Ultralytics checks the same. The size of a picture is that of the file in `images/`, if it is
there.

Example: `0 0.312500 0.312500 0.312500 0.562500 0.562500 0.562500 0.562500 0.312500` in a 4x4 picture are the pixels
from (1, 1) to (2, 2).

Source: https://docs.ultralytics.com/datasets/segment/ and `verify_image_label` in ultralytics/data/utils.py.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
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
from backend.export.readers.coco_segmentations import decode_box
from backend.export.readers.read_pictures import count_left_out, measure_picture
from backend.export.records import EncodedRegion, encode_region
from backend.geometry import bridged_outline_to_mask
from backend.values import Size

LAYOUT_REMEDY = "Name the folder with data.yaml; its label files lie in labels/SPLIT/ or SPLIT/labels/."
LINE_REMEDY = "Correct this line, or leave such lines out with --skip-bad-regions."
LEFT_OUT = "have no label file and are left out; an empty label file makes a picture without objects"
SLACK = 0.01  # that shares may leave the picture by rounding
BOX = (4, 5)


def read_yolo(path: Path) -> FoundDataSet:
    """Find the label files of a data set.

    Args:
        path: Its folder, or its data.yaml.

    Raises:
        BadDataSet: There is no data.yaml with names or no label file, or a file cannot be read.
    """
    listing = path / "data.yaml" if path.is_dir() else path
    try:
        names, digest = _read_names(listing), hashlib.sha256(listing.read_bytes())
        files = [file for file in sorted(listing.parent.rglob("*.txt")) if "labels" in _folders(file, listing.parent)]
        texts = [file.read_text(encoding="utf-8") for file in files]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"a file is no text ({error})"
        place = getattr(error, "filename", None) or listing
        raise BadDataSet(f"{place} cannot be read: {reason}.", remedy=LAYOUT_REMEDY) from error
    if not files:
        raise BadDataSet(f"{listing.parent} has no label files.", remedy=LAYOUT_REMEDY)
    labels, pictures = Counter[str](), _Pictures()
    images = []
    for file, text in zip(files, texts, strict=True):
        name = f"label file {file.relative_to(listing.parent).as_posix()}"
        digest.update(f"{name}\0{text}\0".encode())
        labels.update(names[number] for number in map(_class_of, text.splitlines()) if number in names)
        read = partial(_read_regions, name, text, names)
        picture = (_pictures_of(file).relative_to(listing.parent) / file.stem).as_posix()
        images.append(FoundImage(name, file.stem, read, has_ending=False, path=picture, size=pictures.size_of(file)))
    count = count_left_out(listing.parent, (image.path for image in images))
    left_out = f"{count} pictures {LEFT_OUT}" if count else ""
    return FoundDataSet(images, labels, digest=digest.hexdigest()[:8], left_out=left_out)


def _folders(file: Path, root: Path) -> Sequence[str]:
    return file.relative_to(root).parts[:-1]


def _read_names(path: Path) -> dict[int, str]:
    """Read the names of the classes, in any of YAML's ways to write them."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BadDataSet(
            f"{path} is no YAML: {shorten(' '.join(str(error).split()))}.", remedy=LAYOUT_REMEDY
        ) from error
    names = document.get("names") if isinstance(document, Mapping) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(type(number) is int for number in names):
        raise BadDataSet(f'{path} names no classes: its "names" are {shorten(names)}.', remedy=LAYOUT_REMEDY)
    return {number: str(name) for number, name in names.items()}


def _class_of(line: str) -> int:
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return int(word) if word.isdecimal() and word.isascii() else -1


def _read_regions(
    name: str, text: str, names: Mapping[int, str], size: Size, on_bad_region: OnBadRegion
) -> FoundRegions:
    regions = RegionList(name, on_bad_region)
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            regions.add(f"line {number}", partial(_read_line, line, names, build_region_id(name, number), size))
    return regions.collect()


def _read_line(line: str, names: Mapping[int, str], region_id: str, size: Size) -> EncodedRegion:
    number, numbers = _class_of(line), _parse_numbers(line)
    if number not in names:
        message = f"has the class {shorten(line.split()[0])}, and data.yaml names {len(names)} classes."
        raise BadDataSet(message, remedy=LINE_REMEDY)
    if len(numbers) < min(BOX):
        points = len(numbers) // 2
        message = f"has an outline with {points} points, but three are needed."
        raise BadDataSet(message, remedy=LINE_REMEDY)
    score = numbers.pop() if len(numbers) % 2 else None
    shares = np.array(numbers)
    checked = shares if len(numbers) == min(BOX) else _centre_and_size(shares.reshape(-1, 2))
    if not all(-SLACK <= share <= 1 + SLACK for share in checked):
        message = "has coordinates that are no shares of the picture's width and height (0 to 1)."
        raise BadDataSet(message, remedy=LINE_REMEDY)
    if len(numbers) == min(BOX):
        x, y, width, height = shares * [size.width, size.height, size.width, size.height]
        box = [float(side) for side in (x - width / 2, y - height / 2, width, height)]
        return encode_region(decode_box(box, size), names[number], region_id, score=score, kind="rectangle")
    outline = shares.reshape(-1, 2) * (size.width, size.height)
    return encode_region(bridged_outline_to_mask(outline, size), names[number], region_id, score=score)


def _centre_and_size(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x, y, width and height of the upright box around points, (N, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low])


def _parse_numbers(line: str) -> list[float]:
    words = line.split()[1:]
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise BadDataSet(f"has something else than numbers: {shorten(line)}.", remedy=LINE_REMEDY) from error
    if not all(map(math.isfinite, numbers)):
        raise BadDataSet(f"has a number that is not finite: {shorten(line)}.", remedy=LINE_REMEDY)
    return numbers


def _pictures_of(labels: Path) -> Path:
    """Return the folder of the picture of a label file: `labels` in the path becomes `images`."""
    parts = list(labels.parent.parts)
    place = len(parts) - 1 - parts[::-1].index("labels")
    return Path(*parts[:place], "images", *parts[place + 1 :])


class _Pictures:
    """Pictures beside label files."""

    def __init__(self) -> None:
        self._by_folder: dict[Path, dict[str, Path]] = {}

    def size_of(self, labels: Path) -> Size | None:
        folder = _pictures_of(labels)
        if folder not in self._by_folder:
            files = folder.iterdir() if folder.is_dir() else ()
            self._by_folder[folder] = {file.stem: file for file in sorted(files)}
        picture: Any = self._by_folder[folder].get(labels.stem)
        return measure_picture(picture) if picture is not None else None
