"""The JSON of a COCO file, checked as far as all that reads it relies on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from backend.errors import BadDataSet, shorten
from backend.export.readers.json_numbers import NUMBERS_REMEDY, describe_non_numbers
from backend.export.records import Json

FILE_REMEDY = "Name a COCO file, or a folder with instances.json, instances_train.json or train/_annotations.coco.json."
DAMAGED_REMEDY = "Export the data set again; the file is damaged, or its download was interrupted."
IDS_REMEDY = "Give each a number of its own; files of several exports cannot be joined by hand."
PATTERNS = ("instances*.json", "keypoints*.json", "_annotations.coco.json", "*/_annotations.coco.json")


class Digest(Protocol):
    """A hash."""

    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class CocoDocument:
    """A COCO file. Images, annotations and categories have ids, each once.

    Attributes:
        categories: By id.
    """

    path: Path
    images: Sequence[Json]
    annotations: Sequence[Json]
    categories: Mapping[Any, Json]

    def category(self, annotation: Json) -> str:
        """Return the name of an annotation's category."""
        return str(self.categories[annotation["category_id"]]["name"])

    def key_points(self, annotation: Json) -> Sequence[str]:
        """Return the names of the key points of an annotation's category."""
        names = self.categories[annotation["category_id"]].get("keypoints")
        return [str(name) for name in names] if isinstance(names, list) else []

    def key_point_counts(self, annotation: Json) -> Counter[str]:
        """Count the key points that an annotation sets, by name."""
        given = annotation.get("keypoints")
        seen = given[2::3] if isinstance(given, list) else []  # damaged ones are reported when they are read
        names = self.key_points(annotation) if seen else []
        return Counter(name for name, visibility in zip(names, seen, strict=False) if visibility)


def list_documents(path: Path) -> list[tuple[str, Path]]:
    """Return the COCO files of a path, each with the name of its group: files of one group have the same images.

    Raises:
        BadDataSet: There is none.
    """
    if not path.is_dir():
        return [("", path)]
    files = [file for pattern in PATTERNS for file in sorted(path.glob(pattern))]
    if not files:
        present = shorten(", ".join(sorted(file.name for file in path.iterdir())) or "nothing")
        raise BadDataSet(f"The folder {path} has no COCO file, but {present}.", remedy=FILE_REMEDY)
    return [(str(file.parent / file.stem.removeprefix("instances").removeprefix("keypoints")), file) for file in files]


def read_document(path: Path, digest: Digest) -> CocoDocument:
    """Read a file and add its bytes to the digest.

    Raises:
        BadDataSet: It cannot be read, is no JSON, is no COCO file, or ids are missing or come twice.
    """
    return parse_document(path, read_json(path, digest))


def read_json(path: Path, digest: Digest) -> Any:
    """Read the JSON of a file and add its bytes to the digest.

    Raises:
        BadDataSet: It cannot be read, is no JSON, or has a NaN or an infinite value, which is named.
    """
    try:
        content = path.read_bytes()
        digest.update(content)
        return orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise BadDataSet(f"{path} cannot be read: {error.strerror or error}.", remedy=FILE_REMEDY) from error
    except orjson.JSONDecodeError as error:
        if where := describe_non_numbers(content):
            raise BadDataSet(f"{path}: {where}, which is no number.", remedy=NUMBERS_REMEDY) from error
        start = content.lstrip()[:1]
        what = "is cut off or damaged" if start in (b"{", b"[") else "is no JSON" if start else "is empty"
        remedy = DAMAGED_REMEDY if start in (b"{", b"[") else FILE_REMEDY
        raise BadDataSet(f"{path} {what}: {error}.", remedy=remedy) from error


def parse_document(path: Path, document: Any) -> CocoDocument:
    """Parse what `read_json` returned; raises as `read_document` does.

    Args:
        path: For messages.
    """
    lists = _check_lists(path, document)
    categories = {one["id"]: one for one in _check_ids(path, "category", lists["categories"])}
    for number, category in categories.items():
        if not isinstance(category.get("name"), str):
            message = f"{path}: category {shorten(number)} has no name."
            raise BadDataSet(message, remedy="Name it as a label of the labeling config.")
    annotations = _check_ids(path, "annotation", lists["annotations"])
    for annotation in annotations:
        _check_annotation(path, annotation, categories)
    return CocoDocument(path, _check_ids(path, "image", lists["images"]), annotations, categories)


def _check_lists(path: Path, document: Any) -> dict[str, list[Any]]:
    if isinstance(document, list):
        what = "a list, such as a JSON export of Label Studio or results of a model, and no COCO data set"
        raise BadDataSet(f"{path} is {what}.", remedy=FILE_REMEDY)
    if not isinstance(document, dict):
        raise BadDataSet(f"{path} is {shorten(document)}, and no COCO data set.", remedy=FILE_REMEDY)
    for name in ("images", "annotations", "categories"):
        if not isinstance(document.get(name), list):
            what = f'its "{name}" are {shorten(document[name])}' if name in document else f'it has no "{name}"'
            raise BadDataSet(f"{path} is no COCO data set: {what}.", remedy=FILE_REMEDY)
    if document["annotations"] and not document["categories"]:
        message = f'{path} has annotations, but no categories: "categories" is empty.'
        raise BadDataSet(message, remedy="List the labels there, with id and name.")
    return document


def _check_ids(path: Path, what: str, entries: list[Any]) -> list[Json]:
    seen: set[Any] = set()
    for place, entry in enumerate(entries, start=1):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(number, (int, str)):
            raise BadDataSet(f"{path}: {what} {place} in the file has no id: {shorten(entry)}.", remedy=IDS_REMEDY)
        if number in seen:
            raise BadDataSet(f"{path}: the {what} id {shorten(number)} comes twice.", remedy=IDS_REMEDY)
        seen.add(number)
    return entries


def _check_annotation(path: Path, annotation: Json, categories: Mapping[Any, Json]) -> None:
    where = f"{path}: annotation {shorten(annotation['id'])}"
    category, image = annotation.get("category_id"), annotation.get("image_id")
    if not isinstance(category, (int, str)) or category not in categories:
        known = shorten(", ".join(map(str, categories)))
        message = f"{where} has the category_id {shorten(category)}; the file has: {known}."
        raise BadDataSet(message, remedy=DAMAGED_REMEDY)
    if not isinstance(image, (int, str)):
        raise BadDataSet(f"{where} has no image_id.", remedy=DAMAGED_REMEDY)
