"""Datumaro's own JSON: `annotations/SPLIT.json`, and the pictures, where they are exported, in `images/SPLIT/`.

    datumaro.Dataset.import_from(DIR, "datumaro")

A region is a `mask` with COCO's compressed RLE and its place in the drawing order (`z_order`); a key point is `points`
of one point, in the group of the region that it belongs to. `label_id` counts from 0: categories, then key points. Per-
region choices, the score and `is_crowd` are attributes; image-level choices are the item's. Without splits SPLIT is
"default".

Source: datumaro 1.13, plugins/data_formats/datumaro/exporter.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from backend.export.files import link_or_copy
from backend.export.names import UniqueStems
from backend.export.records import Choices, DataSet, EncodedRegion, Json, LabeledImage
from backend.export.writers.json_parts import JsonParts
from backend.export.writers.label_map import list_objects

DEFAULT_SPLIT = "default"
_VISIBLE = 2
_IMAGES = 2  # datumaro's number of the media type


class DatumaroWriter:
    """Writer of Datumaro's format, a part file per split. Masks come back exactly, overlaps included."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._stems = folder, UniqueStems()
        names = list(dict.fromkeys((*data_set.categories, *data_set.key_points)))
        self._ids: Mapping[str, int] = {name: number for number, name in enumerate(names)}
        labels = [{"name": name, "parent": "", "attributes": []} for name in names]
        head = {
            "dm_format_version": "1.0",
            "media_type": _IMAGES,
            "infos": {},
            "categories": {"label": {"labels": labels, "label_groups": [], "attributes": []}},
        }
        self._parts = {
            split: JsonParts(folder / "annotations" / f"{split}.json", head, ("items",))
            for split in data_set.splits or (DEFAULT_SPLIT,)
        }

    def add(self, image: LabeledImage) -> None:
        split, stem = image.split or DEFAULT_SPLIT, self._stems.take(image.file_name)
        name = stem + PurePosixPath(image.file_name).suffix
        item = {
            "id": stem,
            "annotations": self._build_annotations(image),
            "attr": {"task_id": image.task_id, "image_id": image.image_id, **_to_attributes(image.choices)},
            "image": {"path": name, "size": [image.size.height, image.size.width]},
        }
        self._parts[split].append("items", item)
        if image.picture is not None:
            link_or_copy(image.picture, self._folder / "images" / split / name)

    def close(self) -> Sequence[str]:
        for parts in self._parts.values():
            parts.join()
        return []

    def _build_annotations(self, image: LabeledImage) -> list[Json]:
        objects = list_objects(image)
        groups = {region.region_id: number for number, region in enumerate(objects, start=1)}
        masks = [self._build_mask(number, region) for number, region in enumerate(objects, start=1)]
        points = [
            {
                "id": number,
                "type": "points",
                "attributes": {"region_id": point.region_id, **_to_attributes(point.choices)},
                "group": groups.get(point.parent_id, 0),
                "label_id": self._ids[point.label],
                "points": [point.x, point.y],
                "z_order": 0,
                "visibility": [_VISIBLE],
            }
            for number, point in enumerate(image.key_points, start=len(objects) + 1)
        ]
        return masks + points

    def _build_mask(self, number: int, region: EncodedRegion) -> Json:
        attributes: dict[str, Any] = {"region_id": region.region_id, "is_crowd": region.is_crowd}
        if region.score is not None:
            attributes["score"] = float(region.score)
        return {
            "id": number,
            "type": "mask",
            "attributes": {**_to_attributes(region.choices), **attributes},
            "group": number,
            "label_id": self._ids[region.label],
            "rle": {"counts": region.segmentation["counts"], "size": region.segmentation["size"]},
            "z_order": number,
        }


def _to_attributes(choices: Choices) -> dict[str, str]:
    """Convert choices: several values become one text with commas, because attributes are single values."""
    return {name: ", ".join(values) for name, values in choices.items() if values}
