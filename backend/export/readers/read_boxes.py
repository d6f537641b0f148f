"""Boxes of COCO files → images with boxes, for masks to be made of them.

| file                                          | images and categories                                          |
|-----------------------------------------------|----------------------------------------------------------------|
| a data set: {"images", "categories",          | its own; "score" of an annotation is optional                  |
| "annotations"}                                |                                                                |
| results of a detector, a list of {"image_id", | of a second file with "images" and "categories", such as the   |
| "category_id", "bbox", "score"}               | one that the detector was evaluated on                         |
| the same without a second file                | the picture is "file_name", else "image_id" is its name without|
|                                               | the ending; the label is "category_name", else "category_id"   |

    {"image_id": 42, "category_id": 18, "bbox": [258.15, 41.29, 348.26, 243.78], "score": 0.236}

`bbox` is left, top, width and height in pixels (https://cocodataset.org/#format-results). A box that cannot be a prompt
is left out and named; so is one of a group of objects (`iscrowd`), and one with a score below the minimum is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from backend.errors import BadDataSet, shorten
from backend.export.found_images import FoundBox, FoundDataSet, FoundImage, is_number
from backend.export.readers.coco_documents import CocoDocument, list_documents, parse_document, read_json
from backend.export.readers.read_coco import find_image
from backend.export.records import Json
from backend.geometry import clip_box
from backend.values import Size

BOX_REMEDY = "COCO's bbox is [left, top, width, height] in pixels of the picture; correct it in the file."
LIST_REMEDY = (
    "Name a COCO data set with boxes, or a detector's results: a list of image_id, category_id, bbox and score."
)


@dataclass
class BoxFile:
    """The boxes of a file by image.

    Attributes:
        data_set: The images that have boxes, in the order of the file. Its labels count the boxes; its further labels
            are the categories without boxes, and the labels of boxes with a low score.
        bad: Why boxes were left out, a sentence for each.
        low: Boxes with a score below the minimum.
        crowds: Boxes of groups of objects.
    """

    data_set: FoundDataSet = field(default_factory=lambda: FoundDataSet([]))
    bad: list[str] = field(default_factory=list)
    low: int = 0
    crowds: int = 0


def read_boxes(path: Path, images_path: Path | None = None, *, min_score: float = 0.0) -> BoxFile:
    """Read the boxes of a data set or of a detector's results.

    Args:
        path: The file, or a folder with one COCO file.
        images_path: File with the images and categories of results.
        min_score: Of boxes that have a score.

    Raises:
        BadDataSet: A file cannot be read, or is none of these.
    """
    digest, path = hashlib.sha256(), _only_file(path)
    document = read_json(path, digest)
    if isinstance(document, list):
        known = _read_images(images_path, digest) if images_path else None
        reader = _Reader(path, known, min_score)
        for number, entry in enumerate(document, start=1):
            reader.add(f"detection {number}", _check_entry(path, number, entry))
    else:
        if images_path is not None:
            message = f"{path} has images of its own, so those of {images_path} have no place."
            raise BadDataSet(message, remedy="Leave out --coco-images.")
        known = parse_document(path, document)
        reader = _Reader(path, known, min_score)
        for annotation in known.annotations:
            reader.add(f"annotation {shorten(annotation['id'])}", annotation)
    return reader.finish(digest.hexdigest()[:8])


def _only_file(path: Path) -> Path:
    files = [file for _, file in list_documents(path)]
    if len(files) > 1:
        names = shorten(", ".join(str(file.relative_to(path)) for file in files))
        raise BadDataSet(f"The folder {path} has {len(files)} COCO files: {names}.", remedy="Name one of them.")
    return files[0]


class _Reader:
    """Reader of one entry after the other.

    Args:
        known: With the images and categories; None if the entries name them.
    """

    def __init__(self, path: Path, known: CocoDocument | None, min_score: float) -> None:
        self._path, self._known, self._min_score = path, known, min_score
        self._labels, self._result = Counter[str](), BoxFile()
        self._other_labels = set[str]()
        self._boxes: dict[Any, list[FoundBox]] = {}
        self._images: dict[Any, FoundImage] = {}
        for image in known.images if known else ():
            self._images[image["id"]] = find_image(image)

    def add(self, where: str, entry: Json) -> None:
        """Read an entry, or note why it is left out."""
        if entry.get("iscrowd"):
            self._result.crowds += 1
            return
        try:
            key = self._image_of(entry)
            box = self._read_box(entry, self._images[key].size)
        except BadDataSet as error:
            self._result.bad.append(f"{where[:1].upper()}{where[1:]} of {self._path.name} {error}")
            return
        if box.score is not None and box.score < self._min_score:
            self._result.low += 1
            self._other_labels.add(box.label)
            return
        self._labels[box.label] += 1
        self._boxes.setdefault(key, []).append(box)

    def finish(self, digest: str) -> BoxFile:
        """Return what was read."""
        images = [
            replace(image, boxes=tuple(self._boxes[key])) for key, image in self._images.items() if key in self._boxes
        ]
        categories = self._known.categories.values() if self._known else ()
        further = self._other_labels.union(str(category["name"]) for category in categories)
        self._result.data_set = FoundDataSet(
            images, self._labels, digest=digest, further_labels=frozenset(further.difference(self._labels))
        )
        return self._result

    def _image_of(self, entry: Json) -> Any:
        number, file_name = entry.get("image_id"), entry.get("file_name")
        if self._known is None and isinstance(file_name, str) and file_name:
            self._images.setdefault(file_name, find_image({"id": file_name, "file_name": file_name}))
            return file_name
        if not isinstance(number, (int, str)):
            raise BadDataSet("has no image_id.", remedy=LIST_REMEDY)
        if self._known is None:
            name = str(number)
            has_ending = bool(PurePosixPath(name).suffix)
            image = find_image({"id": number})
            self._images.setdefault(number, replace(image, file_name=name, has_ending=has_ending))
        elif number not in self._images:
            message = f"is of image {shorten(number)}, which is not among the file's images."
            raise BadDataSet(message, remedy="Name the file that lists it with --coco-images.")
        return number

    def _read_box(self, entry: Json, size: Size | None) -> FoundBox:
        bbox, score = entry.get("bbox"), entry.get("score")
        if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(is_number, bbox)):
            raise BadDataSet(f"has the bbox {shorten(bbox)}, which is not four numbers.", remedy=BOX_REMEDY)
        left, top, width, height = map(float, bbox)
        if width <= 0 or height <= 0:
            raise BadDataSet(f"has the bbox {shorten(bbox)}, which has no area.", remedy=BOX_REMEDY)
        box = (left, top, left + width, top + height)
        if max(box) <= 1:
            message = f"has the bbox {shorten(bbox)}, which lies in the first pixel, as shares of the picture do."
            raise BadDataSet(message, remedy=BOX_REMEDY)
        if size is not None and clip_box(box, size) is None:
            raise BadDataSet(f"has the bbox {shorten(bbox)} outside its image, which is {size}.", remedy=BOX_REMEDY)
        if score is not None and not (is_number(score) and 0 <= score <= 1):
            message = f"has the score {shorten(score)}, which is no number from 0 to 1."
            raise BadDataSet(message, remedy="Divide percentages by 100, or leave the scores out.")
        return FoundBox(box, self._label_of(entry), None if score is None else float(score))

    def _label_of(self, entry: Json) -> str:
        number, name = entry.get("category_id"), entry.get("category_name")
        if self._known is None:
            if isinstance(name, str) and name:
                return name
            if isinstance(number, (int, str)):
                return str(number)
            raise BadDataSet("has no category_id.", remedy=LIST_REMEDY)
        if not isinstance(number, (int, str)) or number not in self._known.categories:
            known = shorten(", ".join(map(str, self._known.categories))) or "none"
            message = f"has the category_id {shorten(number)}; the categories are {known}."
            raise BadDataSet(message, remedy="Name the file that lists its categories with --coco-images.")
        return self._known.category({"category_id": number})


def _read_images(path: Path, digest: Any) -> CocoDocument:
    """Read a file with images and categories, which may have no annotations, as those of COCO's test sets."""
    document = read_json(path, digest)
    if isinstance(document, Mapping):
        document = {**document, "annotations": []}
    return parse_document(path, document)


def _check_entry(path: Path, number: int, entry: object) -> Json:
    if not isinstance(entry, dict) or not {"bbox", "image_id", "file_name"} & entry.keys():
        message = f"{path} is a list, but entry {number} is no detection: {shorten(entry)}."
        raise BadDataSet(message, remedy=LIST_REMEDY)
    return entry
