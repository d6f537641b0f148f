"""Regions to COCO instances, losslessly: RLE masks with holes and parts, one annotation per region.

The document is what `pycocotools.coco.COCO` reads: `images`, `categories` and `annotations` with ids from 1. Masks are
COCO's compressed RLE (column by column, `counts` as an ASCII string, `size` = [height, width]); `area` is the number of
the mask's pixels and `bbox` their [x, y, width, height]. An image's `file_name` is a name to save it under, unique in
the document; its location is `coco_url`, the URI as the task has it. Beyond the standard, an image has `task_id`,
`annotation_id` and `attributes` (image-level choices), and an annotation has `region_id`, `attributes` (per-region
choices) and, if it is known, `score`.

Regions are encoded one by one as they are read (`encode_region`): a 1080p mask takes 2 MB, its RLE a few kilobytes.

Example: a mask of pixels (1, 0) and (2, 0) in a 4x2 image is [0, 0, 1, 0, 1, 0, 0, 0] column by column: the runs 2 1 1
1 3, written "21102" (from the fourth run on, the difference from the run two before it); its area is 2 and its bbox
[1, 0, 2, 1].

Source: pycocotools/mask.py and https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from backend.errors import ExportError, shorten
from backend.geometry import mask_to_box
from backend.values import Mask, Size

Json = dict[str, Any]
Choices = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class EncodedRegion:
    """A region in the document's format, without its mask.

    Attributes:
        size: Size of the mask.
        segmentation: COCO's compressed RLE, JSON-ready.
        area: Number of pixels in the mask; 0 if everything was erased again.
        bbox: x, y, width, height of its pixels; zeros for an empty mask.
        kind: Kind of shape that it was saved as, for instance "polygon"; "" if unknown.
        other_labels: Labels it was saved with besides `label`; the document has only `label`.
    """

    region_id: str
    label: str
    size: Size
    segmentation: Json
    area: int
    bbox: tuple[int, int, int, int]
    score: float | None = None
    choices: Choices = field(default_factory=lambda: MappingProxyType({}))
    kind: str = ""
    other_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabeledImage:
    """One image with its annotated regions; an image without regions is a negative.

    Attributes:
        file_name: Preferred name; `build_coco` makes it unique.
        size: Size of the upright image.
        task_id, annotation_id: Origin in Label Studio.
        choices: Image-level choices by the name of their control.
        image_uri: Location of the image, exactly as in the task's data.
    """

    file_name: str
    size: Size
    task_id: int
    annotation_id: int | None
    regions: tuple[EncodedRegion, ...] = ()
    choices: Choices = field(default_factory=lambda: MappingProxyType({}))
    image_uri: str = ""


def encode_region(
    mask: Mask,
    label: str,
    region_id: str,
    *,
    score: float | None = None,
    choices: Choices = MappingProxyType({}),
    kind: str = "",
    other_labels: tuple[str, ...] = (),
) -> EncodedRegion:
    """Encode a region; its mask is not kept. See `EncodedRegion` for the arguments."""
    height, width = mask.shape
    left, top, right, bottom = mask_to_box(mask) or (0, 0, 0, 0)
    bbox = (left, top, right - left, bottom - top)
    size, segmentation, area = Size(width, height), encode_coco_rle(mask), int(mask.sum())
    return EncodedRegion(region_id, label, size, segmentation, area, bbox, score, choices, kind, other_labels)


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


def check_region(region: EncodedRegion, size: Size, categories: Collection[str]) -> None:
    """Raise `ExportError` unless the region has a label among the categories and the size of its image."""
    where = f'Region "{shorten(region.region_id)}"' + (f" ({region.kind})" if region.kind else "")
    if region.label not in categories:
        raise _label_error(where, region.label, categories)
    if region.size != size:
        raise ExportError(
            f"{where} has a mask of {region.size} on an image of {size}.",
            remedy="The region was drawn on another version of the image. Delete it and draw it again.",
        )


def _label_error(where: str, label: str, categories: Collection[str]) -> ExportError:
    known = shorten(", ".join(categories))
    if not known:
        message = f"{where} cannot be exported because the labeling config has no labels for masks."
        return ExportError(message, remedy="Add labels to it, and assign one to each region.")
    if not label:
        message = f"{where} has no label."
        return ExportError(message, remedy="Assign one in Label Studio, or delete the region there.")
    which = "which is not among the labels for masks in the labeling config"
    message = f"{where} has the label {shorten(repr(label))}, {which}: {known}."
    return ExportError(message, remedy="Assign one of these to it, or restore its label in the labeling config.")


def count_empty(images: Iterable[LabeledImage]) -> int:
    """Count the regions with an empty mask, for instance because everything was erased again."""
    return sum(not region.area for image in images for region in image.regions)


def encode_coco_rle(mask: Mask) -> Json:
    """Encode a bool (H, W) mask as compressed COCO RLE, JSON-ready; `pycocotools.mask.decode` is its inverse."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


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
