"""Parquet: `data/SPLIT-00000-of-00001.parquet`, a row per picture.

    datasets.load_dataset(DIR)         or        pandas.read_parquet(FILE)

The columns are `image` (bytes and path; only where pictures are exported), `file_name`, those of
`build_picture_columns`, and `objects`, the lists of `build_objects` with the scores, in the order of the regions.
`category` is the place of the label in the labeling config, from 0; the names stand in the file's metadata, where
`datasets` reads them as ClassLabel.
Row groups are written as they fill up: at most `MAX_ROWS` pictures and about `MAX_GROUP_BYTES` of them.

Source: https://parquet.apache.org/docs/file-format/ and datasets.Features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.errors import ExportError
from backend.export.records import DataSet, Json, LabeledImage
from backend.export.writers.label_map import KeyPointCounter, list_objects
from backend.export.writers.object_lists import build_objects, build_picture_columns

DEFAULT_SPLIT = "train"
MAX_ROWS = 100
MAX_GROUP_BYTES = 32 << 20
_PICTURE_COLUMNS = {
    "file_name": "string",
    "image_id": "int64",
    "task_id": "int64",
    "width": "int32",
    "height": "int32",
    "choices": "string",
}
_OBJECT_COLUMNS = {
    "id": "int32",
    "region_id": "string",
    "category": "int64",
    "area": "int64",
    "iscrowd": "int8",
    "counts": "string",
    "choices": "string",
    "score": "float32",
}


class ParquetWriter:
    """Writer of one Parquet file per split. Masks come back exactly, overlaps included."""

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._arrow = _load()
        self._folder, self._with_pictures = folder / "data", data_set.with_pictures
        self._indices = {name: index for index, name in enumerate(data_set.categories)}
        self._schema = self._build_schema(data_set)
        self._key_points = KeyPointCounter()
        self._writers: dict[str, Any] = {}
        self._rows: dict[str, list[Json]] = {}
        self._sizes: dict[str, int] = {}

    def add(self, image: LabeledImage) -> None:
        split, objects = image.split or DEFAULT_SPLIT, build_objects(image)
        self._key_points.add(image)
        objects["category"] = [self._indices[label] for label in objects["category"]]
        objects["score"] = [region.score for region in list_objects(image)]
        row = {"file_name": image.file_name, **build_picture_columns(image), "objects": objects}
        size = sum(map(len, objects["counts"])) + 1000
        if self._with_pictures:
            content = None if image.picture is None else image.picture.read_bytes()
            row["image"] = {"bytes": content, "path": image.file_name}
            size += len(content or b"")
        self._rows.setdefault(split, []).append(row)
        self._sizes[split] = self._sizes.get(split, 0) + size
        if len(self._rows[split]) >= MAX_ROWS or self._sizes[split] >= MAX_GROUP_BYTES:
            self._flush(split)

    def close(self) -> Sequence[str]:
        for split in self._rows:
            self._flush(split)
        for writer in self._writers.values():
            writer.close()
        return self._key_points.describe()

    def _flush(self, split: str) -> None:
        """Write a split's rows as a row group."""
        if not self._rows[split]:
            return
        if split not in self._writers:
            self._folder.mkdir(exist_ok=True)
            path = self._folder / f"{split}-00000-of-00001.parquet"
            self._writers[split] = self._arrow.parquet.ParquetWriter(
                path, self._schema, compression=self._compression(), use_dictionary=False
            )
        self._writers[split].write_table(self._arrow.Table.from_pylist(self._rows[split], schema=self._schema))
        self._rows[split], self._sizes[split] = [], 0

    def _compression(self) -> dict[str, str]:
        """Return the compression of each column; pictures are compressed already."""
        objects = [f"objects.{name}.list.element" for name in _OBJECT_COLUMNS]
        columns = [*_PICTURE_COLUMNS, *objects, "objects.bbox.list.element.list.element"]
        return dict.fromkeys(columns, "ZSTD") | {"image.bytes": "NONE", "image.path": "ZSTD"}

    def _build_schema(self, data_set: DataSet) -> Any:
        arrow = self._arrow
        types = {kind: arrow.type_for_alias(kind) for kind in (*_PICTURE_COLUMNS.values(), *_OBJECT_COLUMNS.values())}
        lists = [(name, arrow.list_(types[kind])) for name, kind in _OBJECT_COLUMNS.items()]
        objects = arrow.struct([*lists, ("bbox", arrow.list_(arrow.list_(arrow.int32())))])
        columns = [(name, types[kind]) for name, kind in _PICTURE_COLUMNS.items()]
        if data_set.with_pictures:
            columns.append(("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])))
        features = json.dumps({"info": {"features": _build_features(data_set)}})
        return arrow.schema([*columns, ("objects", objects)], metadata={"huggingface": features})


def _build_features(data_set: DataSet) -> Json:
    """Build the columns' types as `datasets.Features` reads them; older versions know "Sequence" as well."""
    objects = {name: _sequence(_value(kind)) for name, kind in _OBJECT_COLUMNS.items()}
    objects["category"] = _sequence({"names": list(data_set.categories), "_type": "ClassLabel"})
    objects["bbox"] = _sequence(_sequence(_value("int32")))
    pictures: Json = {"image": {"_type": "Image"}} if data_set.with_pictures else {}
    return {**{name: _value(kind) for name, kind in _PICTURE_COLUMNS.items()}, **pictures, "objects": objects}


def _value(kind: str) -> Json:
    return {"dtype": kind, "_type": "Value"}


def _sequence(feature: Json) -> Json:
    return {"feature": feature, "_type": "Sequence"}


def _load() -> Any:
    """Import pyarrow, which only this format needs."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ExportError(
            "The format parquet needs pyarrow, which is not installed.",
            remedy="Run: pip install -r requirements-formats.txt -c constraints.txt",
        ) from error
    return pyarrow
