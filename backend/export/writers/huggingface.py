"""Hugging Face's imagefolder: `SPLIT/photo-task7.jpg` and `SPLIT/metadata.jsonl`, a line per picture.

    datasets.load_dataset("imagefolder", data_dir=DIR)

gives a row per picture: `image`, the columns of `build_picture_columns`, and `objects`, the lists of `build_objects`.
Without splits SPLIT is "train", as in the library, which knows "train", "val" and "test" and some synonyms; pictures of
other splits it reads as "train". It infers the columns from the first lines, and a negative does not tell what its
empty lists would hold, so negatives come last in each file.

Source: https://huggingface.co/docs/datasets/image_dataset.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from backend.export.files import link_or_copy
from backend.export.names import UniqueStems
from backend.export.records import DataSet, LabeledImage
from backend.export.writers.label_map import KeyPointCounter
from backend.export.writers.object_lists import build_objects, build_picture_columns, picture_ending, require_picture

DEFAULT_SPLIT = "train"
_METADATA = "metadata.jsonl"
_NEGATIVES = ".negatives.jsonl"


class HuggingFaceWriter:
    """Writer of an imagefolder. Masks come back exactly, overlaps included."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._stems, self._key_points = folder, UniqueStems(), KeyPointCounter()
        self._with_objects: dict[str, bool] = {}

    def add(self, image: LabeledImage) -> None:
        require_picture(image, "huggingface")
        assert image.picture is not None
        split = image.split or DEFAULT_SPLIT
        folder = self._folder / split
        name = self._stems.take(image.file_name) + picture_ending(image)
        link_or_copy(image.picture, folder / name)
        self._key_points.add(image)
        objects = build_objects(image)
        row = {"file_name": name, **build_picture_columns(image), "objects": objects}
        with (folder / (_METADATA if objects["id"] else _NEGATIVES)).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._with_objects[split] = self._with_objects.get(split, False) or bool(objects["id"])

    def close(self) -> Sequence[str]:
        for split in self._with_objects:
            self._append_negatives(self._folder / split)
        lines = self._key_points.describe()
        without = [split for split, some in self._with_objects.items() if not some]
        if without and len(self._with_objects) > 1:
            names = ", ".join(without)
            lines.append(f"no picture of {names} has objects; load_dataset infers other columns there and refuses it")
        return lines

    def _append_negatives(self, folder: Path) -> None:
        negatives = folder / _NEGATIVES
        if negatives.exists():
            with negatives.open("rb") as source, (folder / _METADATA).open("ab") as target:
                shutil.copyfileobj(source, target)
            negatives.unlink()
