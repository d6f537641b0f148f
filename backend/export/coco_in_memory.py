"""COCO as a writer that keeps all images in memory until the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.export.coco import build_coco
from backend.export.files import write_json
from backend.export.records import DataSet, LabeledImage
from backend.export.roboflow import COCO_NAME


class CocoDocumentWriter:
    """Writer of `instances.json` that keeps all images in memory until the end."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._data_set = folder, data_set
        self._images: list[LabeledImage] = []

    def add(self, image: LabeledImage) -> None:
        self._images.append(image)

    def close(self) -> Sequence[str]:
        document = build_coco(self._images, self._data_set.categories, self._data_set.name)
        write_json(self._folder / COCO_NAME, document)
        return []
