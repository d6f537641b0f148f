"""COCO panoptic: `annotations/panoptic_SPLIT.json` and one RGB PNG per picture in `annotations/panoptic_SPLIT/`.

A pixel's segment is R + 256 G + 65536 B, 0 where no segment is; segments are numbered from 1 in each picture, in the
order of the regions, and the later region is on top. A segment's `area` and `bbox` are those of its visible pixels;
one that cannot be seen is left out. All categories are things. Without splits SPLIT is "default". Pictures, where they
are exported, lie in `images/SPLIT/`.

Example: the 300th region of a picture is painted in (44, 1, 0).

Source: https://cocodataset.org/#format-data, "4. Panoptic Segmentation"; the folders are those of COCO 2017 and of
datumaro's coco_panoptic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from backend.export.names import UniqueStems
from backend.export.records import DataSet, Json, LabeledImage
from backend.export.writers.json_parts import JsonParts
from backend.export.writers.label_map import Numbers, OverlapCounter, count_visible, list_objects, paint_numbers
from backend.export.writers.picture_files import choose_class_colours, link_picture, numbers_to_rgb, write_png
from backend.geometry import mask_to_box

DEFAULT_SPLIT = "default"


class PanopticWriter:
    """Writer of panoptic segments. Exact where regions do not overlap."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._stems, self._overlaps = folder, UniqueStems(), OverlapCounter()
        colours = choose_class_colours(data_set)
        self._ids = {name: number for number, name in enumerate(colours, start=1)}
        head = {
            "info": {"description": data_set.name, "version": "1.0"},
            "licenses": [],
            "categories": [
                {"id": self._ids[name], "name": name, "supercategory": "", "isthing": 1, "color": list(colour)}
                for name, colour in colours.items()
            ],
        }
        self._parts = {
            split: JsonParts(folder / "annotations" / f"panoptic_{split}.json", head, ("images", "annotations"))
            for split in data_set.splits or (DEFAULT_SPLIT,)
        }

    def add(self, image: LabeledImage) -> None:
        split = image.split or DEFAULT_SPLIT
        stem = self._stems.take(image.file_name)
        numbers = paint_numbers(image)
        areas = count_visible(image, numbers)
        self._overlaps.add(image, areas)
        name = f"{stem}.png"
        write_png(self._folder / "annotations" / f"panoptic_{split}" / name, numbers_to_rgb(numbers))
        picture = stem + Path(image.file_name).suffix
        width, height = image.size.width, image.size.height
        entry = {"id": image.image_id, "file_name": picture, "width": width, "height": height}
        self._parts[split].append("images", entry | {"task_id": image.task_id, "annotation_id": image.annotation_id})
        segments = self._build_segments(image, numbers, areas)
        self._parts[split].append(
            "annotations", {"image_id": image.image_id, "file_name": name, "segments_info": segments}
        )
        link_picture(replace(image, split=split), self._folder, stem)

    def close(self) -> Sequence[str]:
        for parts in self._parts.values():
            parts.join()
        return self._overlaps.describe()

    def _build_segments(self, image: LabeledImage, numbers: Numbers, areas: Sequence[int]) -> list[Json]:
        segments = []
        for number, (region, area) in enumerate(zip(list_objects(image), areas, strict=True), start=1):
            if area:
                x, y, width, height = region.bbox
                visible = mask_to_box(numbers[y : y + height, x : x + width] == number) or (0, 0, 0, 0)
                left, top, right, bottom = visible
                segments.append(
                    {
                        "id": number,
                        "category_id": self._ids[region.label],
                        "area": area,
                        "bbox": [x + left, y + top, right - left, bottom - top],
                        "iscrowd": int(region.is_crowd),
                        "region_id": region.region_id,
                    }
                )
        return segments
