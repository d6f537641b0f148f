"""Regions to COCO instances, losslessly: RLE masks with holes and parts, one annotation per region.

`instances.json`, or `instances_train.json` and so on for a data set with splits, is what `pycocotools.coco.COCO` reads.
It has `images`, `categories` with ids from 1, and `annotations`. Masks are COCO's compressed RLE (column by column,
`counts` as an ASCII string, `size` = [height, width]), or polygons, beside which groups have the uncompressed RLE of
COCO's own files (`counts` as a list). `area` is the number of the mask's pixels and `bbox` their [x, y, width, height].
The ids of images and annotations are the same in every export (`identities`). An image's `file_name` is the name of its
picture in `images/`; its location is `coco_url`, the URI as the task has it.

Beyond the standard, an image has `task_id`, `annotation_id` and `attributes` (image-level choices), and an annotation
has `region_id`, `attributes` (per-region choices) and, if they are known, `kind` (the shape that a person drew, such as
"rectangle") and `score`. Key points are a document of their own (`coco_key_points`).

Example: a mask of pixels (1, 0) and (2, 0) in a 4x2 image is [0, 0, 1, 0, 1, 0, 0, 0] column by column: the runs 2 1 1
1 3, written "21102" (from the fourth run on, the difference from the run two before it); its area is 2 and its bbox
[1, 0, 2, 1].

Source: pycocotools/mask.py and https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from backend.export.files import PARTIAL, describe_os_error, link_or_copy, sync_file
from backend.export.identities import AnnotationIds
from backend.export.records import DataSet, EncodedRegion, Json, LabeledImage
from backend.export.writers.coco_key_points import KeyPointsWriter
from backend.export.writers.coco_names import build_image, choices_to_attributes, document_name, open_document
from backend.export.writers.coco_polygons import PolygonEncoder
from backend.geometry import decode_coco_counts

PICTURES = "images"


class CocoWriter:
    """Writer of COCO instances, and of COCO key points if there are any.

    Args:
        polygon_tolerance: Pixels that outlines may leave the masks; None writes exact masks.
    """

    def __init__(self, polygon_tolerance: float | None = None) -> None:
        self._polygons = None if polygon_tolerance is None else PolygonEncoder(polygon_tolerance)

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._with_pictures = folder, data_set.with_pictures
        self._category_ids = {name: number for number, name in enumerate(data_set.categories, start=1)}
        categories = [{"id": number, "name": name, "supercategory": ""} for name, number in self._category_ids.items()]
        self._documents = {
            split: open_document(folder, document_name("instances", split), data_set.name, categories)
            for split in data_set.splits or ("",)
        }
        self._ids = AnnotationIds()
        self._key_points = KeyPointsWriter(folder, data_set)

    def add(self, image: LabeledImage) -> None:
        document = self._documents[image.split]
        document.append("images", build_image(image))
        for region in image.regions:
            if region.area:
                document.append("annotations", self._annotation(image, region))
        self._key_points.add(image)
        if self._with_pictures and image.picture is not None:
            link_or_copy(image.picture, self._folder / PICTURES / image.file_name)

    def close(self) -> Sequence[str]:
        for document in self._documents.values():
            document.join()
        polygons = self._polygons.describe() if self._polygons else []
        return [*polygons, *self._key_points.close()]

    def _annotation(self, image: LabeledImage, region: EncodedRegion) -> Json:
        annotation_id = image.annotation_id if region.annotation_id is None else region.annotation_id
        entry: Json = {
            "id": self._ids.take(annotation_id, region.region_id),
            "image_id": image.image_id,
            "category_id": self._category_ids[region.label],
            "segmentation": self._segmentation(image, region),
            "area": region.area,
            "bbox": list(region.bbox),
            "iscrowd": int(region.is_crowd),
            "region_id": region.region_id,
            "attributes": choices_to_attributes(region.choices),
        }
        if region.kind:
            entry["kind"] = region.kind
        return entry if region.score is None else entry | {"score": float(region.score)}

    def _segmentation(self, image: LabeledImage, region: EncodedRegion) -> Json | list[list[int]]:
        """Return the mask as polygons if they are wanted, and of groups then as COCO itself has them."""
        if self._polygons is None:
            return region.segmentation
        return _decompress(region.segmentation) if region.is_crowd else self._polygons.encode(image, region)


def _decompress(segmentation: Json) -> Json:
    """Return a compressed RLE with its `counts` as a list, which is all that readers made for COCO's own files know."""
    height, width = segmentation["size"]
    return segmentation | {"counts": decode_coco_counts(segmentation["counts"], height * width).tolist()}


def write_coco(path: Path, images: Iterable[LabeledImage], data_set: DataSet) -> None:
    """Write `instances.json` to a path, which is replaced only by the complete new file.

    Raises:
        ExportError: The folder cannot be created or written, or the disk is full; an existing file is unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".", suffix=PARTIAL) as folder:
            writer = CocoWriter()
            writer.begin(Path(folder), data_set)
            for image in images:
                writer.add(image)
            writer.close()
            written = Path(folder, document_name("instances", ""))
            sync_file(written)
            written.replace(path)
    except OSError as error:
        raise describe_os_error(path, error) from error
