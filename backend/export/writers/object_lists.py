"""A picture's objects as lists of one length, for the formats that keep a picture in a row: huggingface, parquet,
webdataset.

| list        | of each object                                                                             |
|-------------|--------------------------------------------------------------------------------------------|
| id          | its place among the picture's objects, from 1                                              |
| region_id   | its id in Label Studio                                                                     |
| category    | its label                                                                                  |
| bbox        | [x, y, width, height] in pixels                                                            |
| area        | pixels of its mask                                                                         |
| iscrowd     | 1 for a group of objects, otherwise 0                                                      |
| counts      | its mask: the `counts` of COCO's compressed RLE, whose `size` is the picture's [height, width] |
| choices     | its choices: a JSON object of the values by control, in one string                         |

Lists have one type whatever they hold, so that readers that infer columns infer the same ones from every file.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from PIL import Image

from backend.errors import ExportError, shorten
from backend.export.records import Choices, Json, LabeledImage
from backend.export.writers.label_map import list_objects
from backend.export.writers.open_picture import open_picture

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}


def build_objects(image: LabeledImage) -> Json:
    """Build the lists, JSON-ready. Scores and key points are not among them."""
    objects = list_objects(image)
    return {
        "id": list(range(1, len(objects) + 1)),
        "region_id": [region.region_id for region in objects],
        "category": [region.label for region in objects],
        "bbox": [list(region.bbox) for region in objects],
        "area": [region.area for region in objects],
        "iscrowd": [int(region.is_crowd) for region in objects],
        "counts": [region.segmentation["counts"] for region in objects],
        "choices": [encode_choices(region.choices) for region in objects],
    }


def build_picture_columns(image: LabeledImage) -> Json:
    """Build what is known of the picture itself, JSON-ready."""
    return {
        "image_id": image.image_id,
        "task_id": image.task_id,
        "width": image.size.width,
        "height": image.size.height,
        "choices": encode_choices(image.choices),
    }


def encode_choices(choices: Choices) -> str:
    """Encode choices as a JSON object of lists, sorted by control."""
    return json.dumps({name: list(values) for name, values in sorted(choices.items()) if values}, ensure_ascii=False)


def picture_ending(image: LabeledImage) -> str:
    """Return the ending of a picture's file, such as ".jpg": of its name if programs know it, otherwise of its content.

    Raises:
        ExportError: The picture is missing or none.
    """
    ending = PurePosixPath(image.file_name).suffix.lower()
    if ending in Image.registered_extensions():
        return ending
    with open_picture(image) as file:
        kind = file.format or ""
    return _ENDINGS.get(kind, f".{kind.lower()}")


def require_picture(image: LabeledImage, format_name: str) -> None:
    """Raise `ExportError` unless the picture is there."""
    if image.picture is None:
        raise ExportError(
            f"Task {image.task_id}: the format {format_name} holds pictures, and {shorten(image.file_name)} was not "
            "fetched.",
            remedy="Export again with --with-images.",
        )
