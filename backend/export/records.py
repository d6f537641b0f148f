"""Images of a data set with their regions, encoded as they are read: what every writer gets.

A region's mask is kept as COCO's compressed RLE: a 1080p mask takes 2 MB, its RLE a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from backend.errors import ExportError, shorten
from backend.geometry import PixelRuns, encode_coco_runs, mask_to_box
from backend.values import Mask, Size

Json = dict[str, Any]
Choices = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class EncodedRegion:
    """A region with its mask as compressed RLE.

    Attributes:
        size: Size of the mask.
        segmentation: COCO's compressed RLE, JSON-ready.
        area: Number of pixels in the mask; 0 if everything was erased again.
        bbox: x, y, width, height of its pixels; zeros for an empty mask.
        kind: Kind of shape that it was saved as, for instance "polygon"; "" if unknown.
        other_labels: Labels it was saved with besides `label`, which is the one that counts.
        annotation_id: Of the annotation in Label Studio that it belongs to; None if it comes from elsewhere.
        is_crowd: Whether it stands for a group of objects that were not annotated one by one.
        outline: Corners of a drawn polygon, rectangle or rotated rectangle, XY in pixels; () for anything else.
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
    annotation_id: int | None = None
    is_crowd: bool = False
    outline: tuple[tuple[float, float], ...] = ()

    def decode_mask(self) -> Mask:
        """Return the mask, bool (H, W); a 1080p mask takes 2 MB."""
        return coco_mask.decode(self.segmentation).astype(bool)


@dataclass(frozen=True)
class KeyPoint:
    """A point that a person set, with a label.

    Attributes:
        x, y: In pixels of the upright image.
        parent_id: Id of the region that it belongs to; "" for none.
        index: Position of its label in a pose (`model_index` of the labeling config); None if there is none.
    """

    region_id: str
    label: str
    x: float
    y: float
    parent_id: str = ""
    index: int | None = None
    annotation_id: int | None = None
    choices: Choices = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class LabeledImage:
    """One image with its annotated regions; an image without regions is a negative.

    Attributes:
        file_name: Name to save the picture under, with the task's id; unique in a data set, and safe on any file
            system (`build_file_name`).
        size: Size of the upright image.
        task_id, annotation_id: Origin in Label Studio.
        choices: Image-level choices by the name of their control.
        image_uri: Location of the image, exactly as in the task's data.
        image_id: The same in every export: the task's id, or a hash where a page has several images
            (`build_image_id`).
        annotator: Person whose annotation it is, such as an e-mail address; "" if unknown or several.
        split: Part of the data set, such as "train"; "" if it is not split.
        picture: Verified file with the picture's bytes on this disk; None unless pictures are exported.
        fields: The task's data, for grouping and metadata.
    """

    file_name: str
    size: Size
    task_id: int
    annotation_id: int | None
    regions: tuple[EncodedRegion, ...] = ()
    choices: Choices = field(default_factory=lambda: MappingProxyType({}))
    image_uri: str = ""
    image_id: int = 0
    key_points: tuple[KeyPoint, ...] = ()
    annotator: str = ""
    split: str = ""
    picture: Path | None = None
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class DataSet:
    """What all images of an export have in common.

    Attributes:
        name: Of the data set, such as the project's title.
        categories: Names in the order of the labeling config; all are kept, used or not.
        key_points: Names of the labels of key points in the order of the labeling config.
        colours: Label colours of the labeling config, "#rrggbb", by category; a category may be missing.
        splits: Names of the parts, such as ("train", "val"); () if it is not split.
        with_pictures: Whether images come with `LabeledImage.picture`.
        model_versions: How many predictions the project has of each; annotations may have been made from them.
    """

    name: str
    categories: tuple[str, ...]
    key_points: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    splits: tuple[str, ...] = ()
    with_pictures: bool = False
    model_versions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def encode_region(
    mask: Mask | PixelRuns,
    label: str,
    region_id: str,
    *,
    score: float | None = None,
    choices: Choices = MappingProxyType({}),
    kind: str = "",
    other_labels: tuple[str, ...] = (),
) -> EncodedRegion:
    """Encode a region; its mask is not kept, and runs are not painted. See `EncodedRegion` for the arguments."""
    if isinstance(mask, PixelRuns):
        size, segmentation, area, box = mask.size, encode_coco_runs(mask), mask.area, mask.box
    else:
        height, width = mask.shape
        size, segmentation, area, box = Size(width, height), encode_coco_rle(mask), int(mask.sum()), mask_to_box(mask)
    left, top, right, bottom = box or (0, 0, 0, 0)
    bbox = (left, top, right - left, bottom - top)
    return EncodedRegion(region_id, label, size, segmentation, area, bbox, score, choices, kind, other_labels)


def check_region(region: EncodedRegion, size: Size, categories: Collection[str]) -> None:
    """Raise `ExportError` unless the region has a label among the categories and the size of its image."""
    if region.label in categories and region.size == size:
        return
    where = f'Region "{shorten(region.region_id)}"' + (f" ({region.kind})" if region.kind else "")
    if region.label not in categories:
        raise _label_error(where, region.label, categories)
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
