"""Key points to COCO key points: `keypoints.json` beside `instances.json`, one annotation per pose.

They are a document of their own, as in COCO itself, because an annotation without a mask and with a box of no area
breaks what reads instances: pycocotools' COCOeval raises KeyError 'segmentation', and detectors refuse the box.

A pose is the key points that share a parent region (`parentID` in Label Studio). Its annotation has the parent's
category, id, box and area. A key point without a parent that is exported, or whose place in the pose is taken, is an
annotation of its own: its category is its label, its box [x, y, 0, 0] and its area 0.

All categories have the same `keypoints`, the labels of key points in the order of the labeling config, so that one list
of sigmas fits all of them. `keypoints` of an annotation is x, y, v for each of them: v is 2 where the point is set, and
0 0 0 stands for one that is not. Coordinates are in pixels from the upper left corner of the image, whose first pixel
has its centre at (0.5, 0.5).

Example: of the labels "head" and "tail", a lone "tail" at (3, 4) has keypoints [0, 0, 0, 3, 4, 2], num_keypoints 1.

Source: https://cocodataset.org/#format-data (2. Keypoint Detection).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import BadDataSet, shorten
from backend.export.found_images import NO_CHOICES, build_region_id, is_number
from backend.export.identities import AnnotationIds
from backend.export.records import Choices, DataSet, EncodedRegion, Json, KeyPoint, LabeledImage
from backend.export.writers.coco_names import build_image, choices_to_attributes, document_name, open_document
from backend.values import Size

VISIBLE = 2


@dataclass
class _Pose:
    """Key points of one annotation by their label, and the region that they belong to, if any."""

    label: str
    region_id: str
    annotation_id: int | None
    choices: Choices
    parent: EncodedRegion | None = None
    points: dict[str, KeyPoint] = field(default_factory=dict)


class KeyPointsWriter:
    """Writer of COCO key points; there are no files unless there is a key point."""

    def __init__(self, folder: Path, data_set: DataSet) -> None:
        self._names = tuple(dict.fromkeys(data_set.key_points))
        categories = dict.fromkeys((*data_set.categories, *self._names))
        self._category_ids = {name: number for number, name in enumerate(categories, start=1)}
        common = {"supercategory": "", "keypoints": list(self._names), "skeleton": []}
        entries = [{"id": number, "name": name, **common} for name, number in self._category_ids.items()]
        splits = (data_set.splits or ("",)) if self._names else ()
        names = {split: document_name("keypoints", split) for split in splits}
        self._documents = {split: open_document(folder, name, data_set.name, entries) for split, name in names.items()}
        self._paths = [folder / name for name in names.values()]
        self._ids, self._points, self._alone = AnnotationIds(), 0, 0

    def add(self, image: LabeledImage) -> None:
        """Add an image with its key points."""
        if self._documents:
            document = self._documents[image.split]
            document.append("images", build_image(image))
            for pose in self._poses(image):
                document.append("annotations", self._annotation(image, pose))

    def close(self) -> list[str]:
        """Finish the files; return what a person should know."""
        for document in self._documents.values():
            document.join()
        if not self._points:
            for path in self._paths:
                path.unlink()
            return []
        alone = f", {self._alone} of them without a pose" if self._alone else ""
        return [f"{self._points} key points are in {', '.join(path.name for path in self._paths)}{alone}"]

    def _poses(self, image: LabeledImage) -> Iterator[_Pose]:
        parents = {region.region_id: region for region in image.regions if region.area}
        poses: dict[str, _Pose] = {}
        for point in image.key_points:
            parent = parents.get(point.parent_id)
            if parent is not None:
                made = _Pose(parent.label, parent.region_id, parent.annotation_id, parent.choices, parent)
                pose = poses.setdefault(parent.region_id, made)
                if pose.points.setdefault(point.label, point) is point:
                    continue
            self._alone += 1
            yield _Pose(point.label, point.region_id, point.annotation_id, point.choices, points={point.label: point})
        yield from poses.values()

    def _annotation(self, image: LabeledImage, pose: _Pose) -> Json:
        self._points += len(pose.points)
        parent = pose.parent
        return {
            "id": self._ids.take(
                image.annotation_id if pose.annotation_id is None else pose.annotation_id, pose.region_id
            ),
            "image_id": image.image_id,
            "category_id": self._category_ids[pose.label],
            "keypoints": [value for name in self._names for value in _encode_point(pose.points.get(name))],
            "num_keypoints": len(pose.points),
            "area": parent.area if parent else 0,
            "bbox": list(parent.bbox) if parent else _bbox_of(next(iter(pose.points.values()))),
            "iscrowd": int(parent.is_crowd) if parent else 0,
            "region_id": pose.region_id,
            "attributes": choices_to_attributes(pose.choices),
        }


def _encode_point(point: KeyPoint | None) -> Sequence[float]:
    return (point.x, point.y, VISIBLE) if point else (0, 0, 0)


def _bbox_of(point: KeyPoint) -> list[float]:
    return [point.x, point.y, 0, 0]


def has_key_points(annotation: Json) -> bool:
    """Whether an annotation of a COCO file has key points."""
    return bool(annotation.get("keypoints"))


def parse_key_points(
    annotation: Json, names: Sequence[str], region_id: str, parent_id: str, choices: Choices, size: Size
) -> list[KeyPoint]:
    """Parse the key points of an annotation, those that are set: the inverse of what `KeyPointsWriter` writes.

    Args:
        names: Of the key points of its category.
        region_id: Of the annotation. A single point without a parent has it, too; others get ids of their own.
        parent_id: Id of the region that they belong to; "" for none.

    Raises:
        BadDataSet: They are damaged. The message continues "annotation 7 …".
    """
    given = annotation["keypoints"]
    if not isinstance(given, list) or len(given) != 3 * len(names) or not all(map(is_number, given)):
        message = f"has no x, y and visibility for each of the {len(names)} key points of its category."
        raise BadDataSet(message, remedy="Export the data set again, or use --skip-bad-regions.")
    placed = [(name, *given[3 * place : 3 * place + 3]) for place, name in enumerate(names)]
    seen = [(name, x, y) for name, x, y, visibility in placed if visibility]
    for name, x, y in seen:
        if not (0 <= x <= size.width and 0 <= y <= size.height):
            message = f"has the key point {shorten(repr(name))} at {x}, {y}, outside of its image of {size}."
            raise BadDataSet(message, remedy="Correct it, or use --skip-bad-regions.")
    is_alone = len(seen) == 1 and not parent_id
    return [
        KeyPoint(
            region_id if is_alone else build_region_id(region_id, name),
            name,
            float(x),
            float(y),
            parent_id,
            choices=choices if is_alone else NO_CHOICES,
        )
        for name, x, y in seen
    ]
