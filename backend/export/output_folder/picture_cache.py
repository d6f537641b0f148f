"""Pictures on this disk by the place they came from, so that an export that failed can be continued."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from backend.export.files import PARTIAL, write_bytes

MAX_AGE_SECONDS = 24 * 3600.0  # a failed export is continued soon; later the picture may be another one
SUFFIXES = (".jpg", ".png", "-upright.png", ".webp", ".gif", ".bmp", ".tif", ".avif")
_NAME = re.compile(rf"[0-9a-f]{{64}}({'|'.join(map(re.escape, SUFFIXES))})")


@dataclass(frozen=True)
class PictureCache:
    """Folder of verified pictures; a file is whole or not there. Thread-safe.

    Attributes:
        folder: Created when the first picture is put into it.
        source: What image URIs are relative to, such as Label Studio's address and the project.
        started: When this export began, as `time.time` tells it; what it has fetched itself does not grow old.
    """

    folder: Path
    source: str
    started: float = field(default_factory=time.time)

    def find(self, uri: str) -> Path | None:
        """Return the file with the picture, unless there is none or it was older than a day when this export began."""
        for suffix in SUFFIXES:
            path = self.folder / f"{self._digest(uri)}{suffix}"
            try:
                age = self.started - path.stat().st_mtime
            except (FileNotFoundError, NotADirectoryError):
                continue
            if age < MAX_AGE_SECONDS:
                return path
            path.unlink(missing_ok=True)
        return None

    def put(self, uri: str, content: bytes, suffix: str) -> Path:
        """Write a picture in place of an earlier one and return its file.

        Args:
            suffix: One of `SUFFIXES`.

        Raises:
            ExportError: The disk is full, or the folder cannot be written.
        """
        path = self.folder / f"{self._digest(uri)}{suffix}"
        write_bytes(path, content)
        for other in SUFFIXES:
            if other != suffix:
                (self.folder / f"{self._digest(uri)}{other}").unlink(missing_ok=True)
        return path

    def _digest(self, uri: str) -> str:
        return hashlib.sha256(f"{self.source}\n{uri}".encode()).hexdigest()


def remove_pictures(folder: Path) -> None:
    """Remove a cache's files, and its folder unless somebody has put something else into it."""
    if not folder.is_dir():
        return
    for entry in list(os.scandir(folder)):
        if _NAME.fullmatch(entry.name) or (entry.name.startswith(".") and entry.name.endswith(PARTIAL)):
            Path(entry.path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
