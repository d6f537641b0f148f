"""WebDataset: tar files of pictures, each followed by a JSON file of the same name: `train-000000.tar`, ….

A sample is `photo-task7.jpg` and `photo-task7.json`, which has the columns of `build_picture_columns` and `objects`,
the lists of `build_objects`. The library ends a sample's name at the first dot, so dots in names become `_`. A shard is
closed before it would pass `MAX_SHARD_BYTES`, which only a single larger picture exceeds. Owners and times are zero, so
that the same pictures make the same bytes. Without splits shards begin with "data".

Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from backend.export.names import UniqueStems
from backend.export.records import DataSet, LabeledImage
from backend.export.writers.label_map import KeyPointCounter
from backend.export.writers.object_lists import build_objects, build_picture_columns, picture_ending, require_picture

MAX_SHARD_BYTES = 1 << 30
DEFAULT_SPLIT = "data"
_BLOCK = tarfile.BLOCKSIZE


class WebDatasetWriter:
    """Writer of shards, one open per split. Masks come back exactly, overlaps included.

    Args:
        max_shard_bytes: Size that no shard passes unless by a single picture.
    """

    def __init__(self, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
        self._max_bytes = max_shard_bytes

    def begin(self, folder: Path, data_set: DataSet) -> None:
        self._folder, self._stems, self._key_points = folder, UniqueStems(), KeyPointCounter()
        self._shards: dict[str, tarfile.TarFile] = {}
        self._numbers: dict[str, int] = {}

    def add(self, image: LabeledImage) -> None:
        require_picture(image, "webdataset")
        assert image.picture is not None
        self._key_points.add(image)
        name = PurePosixPath(image.file_name)
        stem = self._stems.take(name.stem.replace(".", "_") + name.suffix)
        columns = json.dumps(build_picture_columns(image) | {"objects": build_objects(image)}).encode()
        size = image.picture.stat().st_size
        shard = self._shard(image.split or DEFAULT_SPLIT, _in_tar(size) + _in_tar(len(columns)))
        with image.picture.open("rb") as file:
            _add_file(shard, stem + picture_ending(image), size, file)
        _add_file(shard, f"{stem}.json", len(columns), io.BytesIO(columns))

    def close(self) -> Sequence[str]:
        for shard in self._shards.values():
            shard.close()
        return self._key_points.describe()

    def _shard(self, split: str, more_bytes: int) -> tarfile.TarFile:
        """Return the split's shard that takes so many bytes more."""
        shard = self._shards.get(split)
        if shard is None or (shard.offset and _whole(shard.offset + more_bytes) > self._max_bytes):
            if shard is not None:
                shard.close()
            number = self._numbers.get(split, 0)
            self._numbers[split] = number + 1
            path = self._folder / f"{split}-{number:06}.tar"
            shard = self._shards[split] = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        return shard


def _add_file(shard: tarfile.TarFile, name: str, size: int, content: BinaryIO) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, 0, 0o644
    shard.addfile(info, content)
    shard.members.clear()  # type: ignore[attr-defined]  # TarFile lists all for reading


def _in_tar(size: int) -> int:
    """Return the bytes of a member: header, perhaps a long name, and content in whole blocks."""
    return 3 * _BLOCK + -(-size // _BLOCK) * _BLOCK


def _whole(size: int) -> int:
    """Return the bytes of a closed tar file: two empty blocks more, in whole records."""
    return -(-(size + 2 * _BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
