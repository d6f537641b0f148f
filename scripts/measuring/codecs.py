"""Brush RLE encoding and decoding, and the COCO export, against label_studio_sdk's converter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import decode_rle, mask2rle

from backend.bulk import AnnotationReader, ReadCounts, read_images
from backend.export import DataSet, write_coco
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import decode_brush, encode_brush
from backend.values import Mask, Size
from scripts.measuring.place import MASKS_ONLY, Json
from scripts.measuring.timing import Row, compare

TURN_MS = 100  # a codec runs repeatedly for about this long
SDK = "label_studio_sdk.converter"


def measure_codec(what: str, masks: Sequence[Mask], *, repeats: int) -> list[Row]:
    """Measure all masks in each repeat; the times are per mask."""
    height, width = masks[0].shape
    encoded = [encode_brush(mask) for mask in masks]
    sdk_masks = [mask.astype(np.uint8) * 255 for mask in masks]
    if encoded != [mask2rle(mask) for mask in sdk_masks]:
        raise AssertionError("the encoded bytes differ from the SDK's, so the times are not comparable")
    size, each = Size(width, height), len(masks)
    return [
        per_mask(
            compare(
                "Brush RLE",
                f"encode a mask, {what}",
                lambda: [encode_brush(mask) for mask in masks],
                f"{SDK}: mask2rle",
                lambda: [mask2rle(mask) for mask in sdk_masks],
                repeats=repeats,
                aim=8,
                remark="the same bytes",
                turn_ms=TURN_MS,
            ),
            each,
        ),
        per_mask(
            compare(
                "Brush RLE",
                f"decode a mask to (H, W), {what}",
                lambda: [decode_brush(rle, size) for rle in encoded],
                f"{SDK}: decode_rle",
                lambda: [decode_rle(rle).reshape(height, width, 4)[:, :, 3] > 127 for rle in encoded],
                repeats=repeats,
                aim=30,
                turn_ms=TURN_MS,
            ),
            each,
        ),
    ]


def measure_export(masks: Sequence[Mask], folder: Path, *, tasks: int, repeats: int) -> list[Row]:
    """Measure annotated tasks in memory to a COCO file on disk."""
    documents = [_annotated_task(index, masks) for index in range(1, tasks + 1)]
    source, config = folder / "tasks.json", parse_labeling_config(MASKS_ONLY)
    source.write_text(json.dumps(documents))
    count = tasks * len(masks)

    def export_here() -> None:
        images = read_images(documents, AnnotationReader(config, lambda _: Size(1, 1)), ReadCounts())
        write_coco(folder / "here.json", images, DataSet("bench", ("red", "blue")))

    def export_there() -> None:
        converter = Converter(MASKS_ONLY, str(folder), download_resources=False)
        converter.convert(str(source), str(folder / "there"), "BRUSH_TO_COCO", is_dir=False, image_dir=str(folder))

    row = compare(
        "Export",
        "COCO, a mask",
        export_here,
        f"{SDK}: BRUSH_TO_COCO",
        export_there,
        repeats=repeats,
        remark="here exact RLE with holes and parts, there the polygons of outer contours",
    )
    return [per_mask(row, count)]


def per_mask(row: Row, masks: int) -> Row:
    """Convert a row for several masks to one per mask."""
    values = {**vars(row), "p50_ms": row.p50_ms / masks, "p95_ms": row.p95_ms / masks}
    values["peer_p50_ms"] = None if row.peer_p50_ms is None else row.peer_p50_ms / masks
    return Row(**values)


def _annotated_task(index: int, masks: Sequence[Mask]) -> Json:
    results: list[Any] = []
    for number, mask in enumerate(masks):
        value = {"format": "rle", "rle": encode_brush(mask), "brushlabels": ["red"]}
        results.append(
            {
                "id": f"region{number}",
                "type": "brushlabels",
                "from_name": "brush",
                "to_name": "image",
                "original_width": mask.shape[1],
                "original_height": mask.shape[0],
                "value": value,
            }
        )
    annotation = {"id": index, "result": results, "was_cancelled": False, "completed_by": {"id": 1, "email": "a@b.org"}}
    return {"id": index, "data": {"image": f"/data/upload/1/{index}.png"}, "annotations": [annotation]}
