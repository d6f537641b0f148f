"""A JSON object with long lists in flat memory: each list is spooled to a file, and all are joined at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


class JsonParts:
    """Spool of one JSON file.

    Args:
        path: Of the finished file.
        head: Keys with small values, which come first.
        lists: Keys of the lists, in their order in the file.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], lists: Sequence[str]) -> None:
        self._path = path
        self._head = head
        path.parent.mkdir(parents=True, exist_ok=True)
        self._parts = {key: path.with_name(f".{path.name}.{key}") for key in lists}
        self._files = {key: part.open("wb") for key, part in self._parts.items()}

    def append(self, key: str, document: Mapping[str, Any]) -> None:
        """Append an item to a list."""
        file = self._files[key]
        file.write((b",\n" if file.tell() else b"") + json.dumps(document).encode())

    def join(self) -> None:
        """Write the file and delete the parts."""
        with self._path.open("wb") as sink:
            sink.write(json.dumps(self._head).encode()[:-1])
            for key, part in self._parts.items():
                self._files[key].close()
                sink.write(b"%s%s:[\n" % (b",\n" if self._head or sink.tell() > 1 else b"", json.dumps(key).encode()))
                with part.open("rb") as source:
                    shutil.copyfileobj(source, sink, _CHUNK_BYTES)
                sink.write(b"]")
                part.unlink()
            sink.write(b"}\n")
