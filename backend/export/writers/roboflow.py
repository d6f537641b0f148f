"""Roboflow's COCO layout, which RF-DETR reads: each split is a folder with its pictures and a COCO document.

    train/_annotations.coco.json    and the pictures beside it
    valid/_annotations.coco.json
    test/_annotations.coco.json

The documents are those of the COCO format, so masks are exact (RLE), but there are no key points. Category ids begin
with 1; the category 0 of Roboflow's own files is the project's name and no object has it.

Source: https://rfdetr.roboflow.com/learn/train/dataset-formats/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from backend.export.files import link_or_copy
from backend.export.records import DataSet, LabeledImage
from backend.export.writers.writer import Writer

COCO_NAME, ROBOFLOW_NAME = "instances.json", "_annotations.coco.json"
DEFAULT_SPLIT = "train"
FOLDERS = {"val": "valid", "validation": "valid"}  # of splits that have other names


class RoboflowWriter:
    """Writer of a COCO document per split.

    Args:
        build_coco_writer: Builds a writer of `instances.json`.
    """

    def __init__(self, build_coco_writer: Callable[[], Writer]) -> None:
        self._build = build_coco_writer

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._data_set = folder, data_set
        self._writers: dict[str, Writer] = {}
        for split in data_set.splits or (DEFAULT_SPLIT,):
            name = FOLDERS.get(split, split)
            (folder / name).mkdir(parents=True, exist_ok=True)
            self._writers[name] = self._build()
            own = replace(data_set, splits=(), with_pictures=False, key_points=())
            self._writers[name].begin(folder / name, own)
        self._key_points = 0

    def add(self, image: LabeledImage) -> None:
        split = image.split or DEFAULT_SPLIT
        name = FOLDERS.get(split, split)
        self._writers[name].add(replace(image, split="", picture=None, key_points=()))
        self._key_points += len(image.key_points)
        if image.picture is not None:
            link_or_copy(image.picture, self._folder / name / image.file_name)

    def close(self) -> Sequence[str]:
        notes = []
        for name, writer in self._writers.items():
            notes += [f"{name}: {note}" for note in writer.close()]
            (self._folder / name / COCO_NAME).rename(self._folder / name / ROBOFLOW_NAME)
        if not self._data_set.with_pictures:
            notes.append("the pictures are missing: copy them beside the documents, or export them with --with-images")
        if self._key_points:
            notes.append(f"{self._key_points} key points were left out")
        if missing := {"train", "valid"} - set(self._writers):
            notes.append(f"RF-DETR needs the split {' and '.join(sorted(missing))} as well: export with splits")
        return notes
