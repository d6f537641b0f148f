"""Regions to COCO instances, losslessly: RLE masks with holes and parts, one annotation per region.

The document is what `pycocotools.coco.COCO` reads: `images`, `categories` and `annotations` with ids from 1. Masks are
COCO's compressed RLE (column by column, `counts` as an ASCII string, `size` = [height, width]); `area` is the number of
the mask's pixels and `bbox` their [x, y, width, height]. An image's `file_name` is a name to save it under, unique in
the document; its location is `coco_url`, the URI as the task has it. Beyond the standard, an image has `task_id`,
`annotation_id` and `attributes` (image-level choices), and an annotation has `region_id`, `attributes` (per-region
choices) and, if it is known, `score`.

Example: a mask of pixels (1, 0) and (2, 0) in a 4x2 image is [0, 0, 1, 0, 1, 0, 0, 0] column by column: the runs 2 1 1
1 3, written "21102" (from the fourth run on, the difference from the run two before it); its area is 2 and its bbox
[1, 0, 2, 1].

Source: pycocotools/mask.py and https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from backend.errors import ExportError
from backend.export.records import Choices, EncodedRegion, Json, LabeledImage, check_region


def build_coco(
    images: Iterable[LabeledImage], categories: Sequence[str], description: str = "Exported from Label Studio"
) -> Json:
    """Build the COCO document.

    Args:
        images: In the order in which they are numbered.
        categories: Names in the order of the labeling config; all are kept, used or not.
        description: Of the data set.

    Returns:
        A dict for `json.dump`. Regions with an empty mask have no box and are left out; `count_empty` counts them.

    Raises:
        ExportError: A label is not among the categories, or a mask has another size than its image.
    """
    category_ids = {name: number for number, name in enumerate(dict.fromkeys(categories), start=1)}
    names = _UniqueNames()
    coco: Json = {
        "info": {"description": description, "version": "1.0"},
        "licenses": [],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in category_ids.items()],
        "images": [],
        "annotations": [],
    }
    for image_id, image in enumerate(images, start=1):
        _check_image(image, category_ids)
        coco["images"].append(_image_entry(image_id, names.unique(image.file_name, image.task_id), image))
        for region in image.regions:
            if region.area:
                number = len(coco["annotations"]) + 1
                coco["annotations"].append(_annotation_entry(number, image_id, category_ids[region.label], region))
    return coco


def choices_to_attributes(choices: Choices) -> dict[str, str | list[str]]:
    """Convert choices: one value becomes a string, several a list; controls without a value are left out."""
    return {name: values[0] if len(values) == 1 else list(values) for name, values in choices.items() if values}


def _check_image(image: LabeledImage, categories: Collection[str]) -> None:
    for region in image.regions:
        try:
            check_region(region, image.size, categories)
        except ExportError as error:
            where = f"Task {image.task_id}, annotation {image.annotation_id}"
            raise ExportError(f"{where}: {error.message}", remedy=error.remedy) from error


def _image_entry(image_id: int, file_name: str, image: LabeledImage) -> Json:
    return {
        "id": image_id,
        "file_name": file_name,
        "coco_url": image.image_uri,
        "width": image.size.width,
        "height": image.size.height,
        "task_id": image.task_id,
        "annotation_id": image.annotation_id,
        "attributes": choices_to_attributes(image.choices),
    }


def _annotation_entry(number: int, image_id: int, category_id: int, region: EncodedRegion) -> Json:
    entry: Json = {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": region.segmentation,
        "area": region.area,
        "bbox": list(region.bbox),
        "iscrowd": 0,
        "region_id": region.region_id,
        "attributes": choices_to_attributes(region.choices),
    }
    return entry if region.score is None else entry | {"score": float(region.score)}


class _UniqueNames:
    """Generator of unique file names: `photo.png`, then `photo-task12.png`, then `photo-task12-2.png`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, file_name: str, task_id: int) -> str:
        path = PurePosixPath(file_name)
        name, attempt = file_name, 1
        while name in self._taken:
            name = f"{path.stem}-task{task_id}{f'-{attempt}' if attempt > 1 else ''}{path.suffix}"
            attempt += 1
        self._taken.add(name)
        return name
