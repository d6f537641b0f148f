"""Small data sets for the tests of the writers: masks, regions, images with pictures, and a run of a writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backend.export import DataSet, EncodedRegion, LabeledImage, Writer, encode_region
from backend.values import Mask, Size

SIZE = Size(64, 48)
CATEGORIES = ("red", "green", "blue")


def disc(x: float, y: float, radius: float, size: Size = SIZE) -> Mask:
    ys, xs = np.mgrid[: size.height, : size.width]
    return np.asarray((xs - x) ** 2 + (ys - y) ** 2 <= radius**2)


def ring(size: Size = SIZE) -> Mask:
    return disc(30, 20, 15, size) & ~disc(30, 20, 8, size)


def two_parts(size: Size = SIZE) -> Mask:
    return disc(10, 10, 5, size) | disc(50, 35, 7, size)


def one_pixel(x: int, y: int, size: Size = SIZE) -> Mask:
    mask = np.zeros((size.height, size.width), bool)
    mask[y, x] = True
    return mask


def region(mask: Mask, label: str = "red", region_id: str = "r", **fields: Any) -> EncodedRegion:
    later = {name: fields.pop(name) for name in ("annotation_id", "is_crowd", "outline") if name in fields}
    return replace(encode_region(mask, label, region_id, **fields), **later)


def image(*regions: EncodedRegion, task_id: int = 7, size: Size = SIZE, **fields: Any) -> LabeledImage:
    name = fields.pop("file_name", f"photo-task{task_id}.png")
    image_id = fields.pop("image_id", task_id)
    return LabeledImage(name, size, task_id, 70 + task_id, regions, image_id=image_id, **fields)


def with_pictures(images: Sequence[LabeledImage], folder: Path) -> list[LabeledImage]:
    """Give each image a picture of its size on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    pictured = []
    for number, labeled in enumerate(images):
        picture = folder / f"{number}.png"
        Image.new("RGB", (labeled.size.width, labeled.size.height), (number, 0, 0)).save(picture)
        pictured.append(LabeledImage(**{**vars(labeled), "picture": picture}))
    return pictured


def write(
    writer: Writer,
    folder: Path,
    images: Sequence[LabeledImage],
    categories: tuple[str, ...] = CATEGORIES,
    **fields: Any,
) -> list[str]:
    """Run a writer over the images; return its notes."""
    pictured = bool(images) and images[0].picture is not None
    folder.mkdir(parents=True)
    writer.begin(folder, DataSet("shapes", categories, with_pictures=pictured, **fields))
    for labeled in images:
        writer.add(labeled)
    return list(writer.close())


def list_files(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
