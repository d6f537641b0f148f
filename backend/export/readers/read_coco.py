"""COCO files → images with regions: instances, key points, boxes, and the layout of Roboflow.

What `CocoWriter` writes beyond the standard comes back: `task_id`, `region_id`, `attributes` (choices), `kind` and
`score`. A region without `region_id` gets one that depends on its image and its `id` only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from backend.errors import BadDataSet, shorten
from backend.export.found_images import (
    FoundDataSet,
    FoundImage,
    FoundRegions,
    OnBadRegion,
    RegionList,
    build_region_id,
    is_number,
    parse_size,
)
from backend.export.readers.coco_documents import CocoDocument, list_documents, read_document
from backend.export.readers.coco_segmentations import REMEDY, decode_box, decode_segmentation, measure
from backend.export.records import Choices, EncodedRegion, Json, encode_coco_rle
from backend.export.writers.coco_key_points import has_key_points, parse_key_points
from backend.values import Size


@dataclass(frozen=True)
class _Entry:
    """An annotation with its document."""

    document: CocoDocument
    annotation: Json

    @property
    def where(self) -> str:
        return f"annotation {shorten(self.annotation.get('id'))}"

    @property
    def label(self) -> str:
        return self.document.category(self.annotation)

    @property
    def is_region(self) -> bool:
        """Whether it has a mask or a box, and is not only key points."""
        return bool(self.annotation.get("segmentation")) or not has_key_points(self.annotation) or self.has_box

    def is_pose_of(self, entries: Sequence[_Entry]) -> bool:
        """Whether it has only the key points of a region among these, as in our own keypoints.json."""
        region_id = self.annotation.get("region_id")
        if not region_id or not has_key_points(self.annotation):
            return False
        return any(entry.annotation.get("region_id") == region_id for entry in entries)

    @property
    def has_box(self) -> bool:
        bbox = self.annotation.get("bbox")
        return isinstance(bbox, list) and len(bbox) == 4 and all(map(is_number, bbox)) and bbox[2] > 0 and bbox[3] > 0


def read_coco(path: Path) -> FoundDataSet:
    """Find the images of a COCO file, or of a folder of them; the files are kept in memory.

    Raises:
        BadDataSet: A file cannot be read, is no COCO file or is cut off, or ids in it are missing or come twice.
    """
    digest, labels, points, crowds = hashlib.sha256(), Counter[str](), Counter[str](), 0
    groups: dict[str, dict[Any, Json]] = {}
    entries: dict[tuple[str, Any], list[_Entry]] = {}
    folders: dict[str, str] = {}
    for group, file in list_documents(path):
        folders[group] = file.parent.relative_to(path).as_posix() if path.is_dir() else "."
        document = read_document(file, digest)
        for image in document.images:
            _check_image(image, document.path)
        _merge_images(groups.setdefault(group, {}), document)
        for annotation in document.annotations:
            entry = _Entry(document, annotation)
            if annotation["image_id"] not in groups[group]:
                message = f"{document.path}: {entry.where} belongs to image {shorten(annotation['image_id'])}"
                raise BadDataSet(f"{message}, which the file does not have.", remedy=REMEDY)
            own = entries.setdefault((group, annotation["image_id"]), [])
            points += document.key_point_counts(annotation)
            if entry.is_region and not entry.is_pose_of(own):
                labels[entry.label] += 1
                crowds += bool(annotation.get("iscrowd"))
            own.append(entry)
    images = [
        _find_image(image, entries.get((group, number), ()), folders[group])
        for group, own in groups.items()
        for number, image in own.items()
    ]
    return FoundDataSet(images, +labels, +points, digest.hexdigest()[:8], crowds)


def _merge_images(known: dict[Any, Json], document: CocoDocument) -> None:
    """Add a document's images; key points have the same ones as the instances beside them."""
    for image in document.images:
        before = known.setdefault(image["id"], image)
        if before.get("file_name") != image.get("file_name"):
            message = f"{document.path}: image {shorten(image['id'])} is {shorten(repr(image.get('file_name')))}, but "
            message += f"{shorten(repr(before.get('file_name')))} in the file beside it."
            raise BadDataSet(message, remedy="Import files of different exports one by one.")


def _check_image(image: Json, path: Path) -> None:
    try:
        parse_size(image.get("width"), image.get("height"))
        parse_attributes(image.get("attributes"))
    except BadDataSet as error:
        raise BadDataSet(f"{path}: {_name_image(image)} {error.message}", remedy=error.remedy) from error


def _name_image(image: Json) -> str:
    file_name = image.get("file_name")
    return f"image {shorten(image['id'])}" + (f' ("{shorten(file_name)}")' if isinstance(file_name, str) else "")


def _find_image(image: Json, entries: Sequence[_Entry], folder: str) -> FoundImage:
    found, key = find_image(image), str(image.get("file_name") or image["id"])
    path = f"{folder}/{found.file_name}" if folder != "." and found.file_name else ""
    return replace(found, read=partial(_read_regions, found.name, key, entries), path=path)


def find_image(image: Json) -> FoundImage:
    """Return an image of a COCO file, with its id, without regions."""
    file_name, name = image.get("file_name"), _name_image(image)
    task_id, uri = image.get("task_id"), image.get("coco_url") or image.get("flickr_url")
    return FoundImage(
        name,
        file_name if isinstance(file_name, str) else "",
        lambda size, on_bad_region: FoundRegions(),
        uri=uri if isinstance(uri, str) else "",
        task_id=task_id if type(task_id) is int else None,
        image_id=image["id"] if type(image["id"]) is int else 0,
        size=parse_size(image.get("width"), image.get("height")),
        choices=parse_attributes(image.get("attributes")),
    )


def _read_regions(
    name: str, key: str, entries: Sequence[_Entry], size: Size, on_bad_region: OnBadRegion
) -> FoundRegions:
    regions = RegionList(name, on_bad_region)
    for entry in entries:
        region_id = _region_id(entry, key)
        if entry.is_region and not (has_key_points(entry.annotation) and region_id in regions):
            regions.add(entry.where, partial(_read_region, entry, region_id, size))
        if has_key_points(entry.annotation):
            parent = region_id if region_id in regions else ""
            names = entry.document.key_points(entry.annotation)
            choices = parse_attributes(entry.annotation.get("attributes"))
            regions.add(
                entry.where, partial(parse_key_points, entry.annotation, names, region_id, parent, choices, size)
            )
    return regions.collect()


def _read_region(entry: _Entry, region_id: str, size: Size) -> EncodedRegion:
    annotation = entry.annotation
    given, kind, score = annotation.get("segmentation"), annotation.get("kind"), annotation.get("score")
    segmentation = (
        decode_segmentation(given, size) if given else encode_coco_rle(decode_box(annotation.get("bbox"), size))
    )
    area, bbox = measure(segmentation)
    if score is not None and not is_number(score):
        raise BadDataSet(f"has the score {shorten(score)}, which is no number.", remedy=REMEDY)
    return EncodedRegion(
        region_id,
        entry.label,
        size,
        segmentation,
        area,
        bbox,
        score=None if score is None else float(score),
        choices=parse_attributes(annotation.get("attributes")),
        kind=kind if isinstance(kind, str) else "" if given else "rectangle",
        is_crowd=bool(annotation.get("iscrowd")),
    )


def parse_attributes(attributes: object) -> Choices:
    """Parse `attributes`: the inverse of `choices_to_attributes`; values other than texts become texts.

    Raises:
        BadDataSet: They are no object. The message continues "Image …" or "Annotation …".
    """
    if not attributes:
        return {}
    if not isinstance(attributes, Mapping):
        message = f"has the attributes {shorten(repr(attributes))}, which are no object of names and values."
        raise BadDataSet(message, remedy='Write them as {"CONTROL": "CHOICE"}, or leave them out.')
    return {str(name): values for name, given in attributes.items() if (values := _parse_values(given))}


def _parse_values(given: object) -> tuple[str, ...]:
    values = given if isinstance(given, list) else [] if given is None else [given]
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _region_id(entry: _Entry, key: str) -> str:
    given = entry.annotation.get("region_id")
    return given if isinstance(given, str) and given else build_region_id(key, entry.annotation.get("id"))
