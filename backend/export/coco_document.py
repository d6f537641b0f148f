"""One file of COCO, written in flat memory: images and annotations go to a part file each, which are joined at the end.

{"info": {…}, "licenses": [], "categories": […], "images": [
{"id": 7, …},
{"id": 9, …}
], "annotations": [
{"id": 1234, …}
]}
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

Json = Mapping[str, Any]


class CocoDocument:
    """A COCO document that grows image by image. Closing it joins the parts; until then the file is not there.

    Args:
        path: File to write, in a folder that is there.
        description: Of the data set.
        categories: JSON-ready.
    """

    def __init__(self, path: Path, description: str, categories: Sequence[Json]) -> None:
        self._path = path
        self._head = {
            "info": {"description": description, "version": "1.0"},
            "licenses": [],
            "categories": list(categories),
        }
        self._images = _Spool(path.with_name(f"{path.name}.images"))
        self._annotations = _Spool(path.with_name(f"{path.name}.annotations"))

    def add(self, image: Json, annotations: Sequence[Json]) -> None:
        """Add an image with its annotations."""
        self._images.add(image)
        for annotation in annotations:
            self._annotations.add(annotation)

    def close(self) -> None:
        """Write the file and remove the parts."""
        with self._path.open("wb") as file:
            file.write(json.dumps(self._head)[:-1].encode())
            file.write(b', "images": [')
            self._images.move_to(file)
            file.write(b'], "annotations": [')
            self._annotations.move_to(file)
            file.write(b"]}\n")


class _Spool:
    """Entries of a JSON list in a file of their own, one a line."""

    def __init__(self, path: Path) -> None:
        self._path, self._is_empty = path, True
        self._file = path.open("wb")

    def add(self, entry: Json) -> None:
        self._file.write(b"\n" if self._is_empty else b",\n")
        self._file.write(json.dumps(entry).encode())
        self._is_empty = False

    def move_to(self, target: BinaryIO) -> None:
        """Append the entries to another file, and remove this one."""
        self._file.close()
        with self._path.open("rb") as file:
            shutil.copyfileobj(file, target, 1 << 20)
        target.write(b"" if self._is_empty else b"\n")
        self._path.unlink()
