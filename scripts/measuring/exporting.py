"""The COCO export against label_studio_sdk's converter, and against painting the masks, on the committed mask sets.

Every side starts from the same JSON file and ends with a closed COCO file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
from label_studio_sdk.converter import Converter

from backend.bulk import AnnotationReader, ReadCounts, image_regions, read_images, read_task_file
from backend.export import FORMATS, DataSet, EncodedRegion, FormatOptions, LabeledImage, encode_region
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import SavedRegion, encode_brush
from backend.label_studio.results.brush_records import find_record_starts, parse_header
from backend.values import Mask, Size
from scripts.measuring.codecs import SDK, per_mask
from scripts.measuring.mask_sets import MASK_SETS, load_masks
from scripts.measuring.place import MASKS_ONLY, Json
from scripts.measuring.timing import Row, build_row, compare, time_ms

GROUP = "Export"
LABELS = ("red", "blue")
CONFIG = parse_labeling_config(MASKS_ONLY)
TASKS = 5
TURN_MS = 100
TIMES_SDK = 20.0
TIMES_PAINTED = {"3k": 5.0, "5k": 5.0, "13k": 3.0}


def measure_export(folder: Path, *, repeats: int) -> list[Row]:
    """Measure each mask set; the times are per mask."""
    return [row for name in MASK_SETS for row in _measure_set(name, folder / f"export-{name}", repeats)]


def export_here(source: Path, folder: Path) -> None:
    """Export as the command does: task by task from the file into the streaming writer."""
    reader = AnnotationReader(CONFIG, no_size)
    counts = ReadCounts()
    write_coco(read_images(read_task_file(source), reader, counts), folder)
    if counts.failures:
        raise AssertionError(counts.failures)


def export_painted(source: Path, folder: Path) -> None:
    """Export as this project did before: every mask is painted, and pycocotools reads its pixels."""
    with patch.object(image_regions, "encode_saved_region", _paint):
        export_here(source, folder)


def export_there(source: Path, folder: Path) -> None:
    """Export with label_studio_sdk."""
    converter = Converter(MASKS_ONLY, str(folder), download_resources=False)
    converter.convert(str(source), str(folder), "BRUSH_TO_COCO", is_dir=False, image_dir=str(folder))


def read_floor(source: Path) -> None:
    """Parse the JSON and find the records of each mask: what no decoder of this format can leave out."""
    for document in orjson.loads(source.read_bytes()):
        for result in document["annotations"][0]["result"]:
            data = bytes(result["value"]["rle"])
            find_record_starts(data, parse_header(data)[1])


def write_coco(images: Iterator[LabeledImage], folder: Path) -> int:
    """Write a COCO data set into a folder; return the number of regions."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = FORMATS["coco"].build(FormatOptions())
    writer.begin(folder, DataSet("bench", LABELS))
    regions = 0
    for image in images:
        writer.add(image)
        regions += len(image.regions)
    writer.close()
    return regions


def write_source(masks: Sequence[Mask], path: Path, *, tasks: int) -> None:
    """Write Label Studio's JSON export of tasks with these masks each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([annotated_task(number, masks) for number in range(1, tasks + 1)]))


def annotated_task(number: int, masks: Sequence[Mask]) -> Json:
    """Build a task with one annotation: a brush region for each mask."""
    results: list[Any] = [
        {
            "id": f"region{index}",
            "type": "brushlabels",
            "from_name": "brush",
            "to_name": "image",
            "original_width": mask.shape[1],
            "original_height": mask.shape[0],
            "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": ["red"]},
        }
        for index, mask in enumerate(masks)
    ]
    person = {"id": 1, "email": "a@b.org"}
    annotation = {"id": number, "result": results, "was_cancelled": False, "completed_by": person}
    return {"id": number, "data": {"image": f"/data/upload/1/{number}.png"}, "annotations": [annotation]}


def _measure_set(name: str, folder: Path, repeats: int) -> list[Row]:
    masks, source = load_masks(name), folder / "tasks.json"
    write_source(masks, source, tasks=TASKS)
    here, painted, there = folder / "here", folder / "painted", folder / "there"
    export_here(source, here)
    export_painted(source, painted)
    if _segmentations(here) != _segmentations(painted):
        raise AssertionError("the masks differ from the painted ones, so the times are not comparable")
    integers = f"{np.mean([len(encode_brush(mask)) for mask in masks]):,.0f} RLE integers"
    rows = [
        compare(
            GROUP,
            f"COCO, a mask of {integers}",
            lambda: export_here(source, here),
            f"{SDK}: BRUSH_TO_COCO",
            lambda: export_there(source, there),
            repeats=repeats,
            aim=TIMES_SDK,
            remark="here exact RLE with holes and parts, there the polygons of outer contours",
        ),
        compare(
            GROUP,
            f"COCO, a mask of {integers}, without painting",
            lambda: export_here(source, here),
            "painted, then pycocotools",
            lambda: export_painted(source, painted),
            repeats=repeats,
            aim=TIMES_PAINTED[name],
            remark="the same masks",
            turn_ms=TURN_MS,
        ),
        build_row(
            GROUP,
            f"floor: JSON and a walk over the records, {integers}",
            [time_ms(lambda: read_floor(source)) for _ in range(repeats)],
        ),
    ]
    return [per_mask(row, TASKS * len(masks)) for row in rows]


def _paint(saved: SavedRegion) -> EncodedRegion:
    region = saved.decode()
    return encode_region(
        region.mask,
        region.label,
        region.region_id,
        score=region.score,
        choices=region.choices,
        kind=region.kind,
        other_labels=region.other_labels,
    )


def _segmentations(folder: Path) -> list[Any]:
    annotations = json.loads((folder / "instances.json").read_bytes())["annotations"]
    return [(one["image_id"], one["region_id"], one["segmentation"], one["area"], one["bbox"]) for one in annotations]


def no_size(image: object) -> Size:
    """Refuse to measure an image: every task states its size."""
    raise AssertionError(f"{image} has a size in its results")
