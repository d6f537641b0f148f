"""What an output folder holds: the run's settings, and one record for each image, by which a run is continued.

    OUT/.label_folder/run.json                     the settings; marks the folder as ours
    OUT/.label_folder/lock                         held by the process that writes here
    OUT/.label_folder/images/3f/3fa9c01b2e4d.json  one image: a line {"state": "writing" | "done", "files": […], …},
                                                   and when it is done a second one with its results

A record says `writing`, with the files that will be written, before the first of them exists, and `done` after the
last. So a process that was killed leaves files only under their final names or as partial files, and the next run
deletes them before it makes the image again: nothing is done twice, and nothing is left over.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from backend.errors import BadSettings, ExportError, shorten
from backend.export import PARTIAL, write_bytes, write_json
from backend.folders.image_files import FolderImage, OpenedImage, read_stamp

Json = dict[str, Any]
WRITING, DONE = "writing", "done"
_FOLDER = ".label_folder"


class FolderRecord:
    """The record of one output folder.

    Args:
        folder: Absolute; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._own = folder, folder / _FOLDER

    def read_settings(self) -> Json | None:
        """Return the settings of an earlier run; None where there is none.

        Raises:
            ExportError: The folder is a file, has other files, or its record is damaged.
        """
        path = self._own / "run.json"
        try:
            if path.exists():
                settings = json.loads(path.read_text(encoding="utf-8"))
                return settings if isinstance(settings, dict) else {}
            if self.folder.exists() and any(entry.name != _FOLDER for entry in self.folder.iterdir()):
                message = f"{self.folder} has files that were not written by this command."
                raise ExportError(message, remedy="Choose an empty or a new folder with --out.")
        except NotADirectoryError as error:
            raise ExportError(f"{self.folder} is a file.", remedy="Choose a folder with --out.") from error
        except (OSError, ValueError) as error:
            message = f"{path} is damaged: {shorten(error)}."
            raise ExportError(message, remedy="Start over with --start-over, or choose another --out.") from error
        return None

    @property
    def is_ours(self) -> bool:
        """Whether this command has written here."""
        return self._own.is_dir()

    def begin_run(self, settings: Mapping[str, Any]) -> None:
        """Mark the folder as this run's.

        Raises:
            BadSettings: Its results were made with other settings.
            ExportError: As `read_settings`, or it cannot be written.
        """
        earlier = self.read_settings()
        if earlier is None:
            write_json(self._own / "run.json", settings)
            return
        wanted = json.loads(json.dumps(settings))
        changed = [name for name in {**earlier, **wanted} if earlier.get(name) != wanted.get(name)]
        if changed:
            name = changed[0]
            before, now = shorten(json.dumps(earlier.get(name))), shorten(json.dumps(wanted.get(name)))
            others = f" (and {', '.join(changed[1:])})" if changed[1:] else ""
            message = f"{self.folder} has results with other settings: {name} was {before} and is {now}{others}."
            raise BadSettings(message, remedy="Choose another --out, or delete these results with --start-over.")
        for partial in self.folder.glob(f".*{PARTIAL}"):
            partial.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder, until the block ends or the process is killed.

        Raises:
            ExportError: Another process has it, or the folder cannot be written.
        """
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            lock = (self._own / "lock").open("w")
        except OSError as error:
            message = f"{self.folder} cannot be written: {error.strerror}."
            raise ExportError(message, remedy="Make it writable, or choose another folder with --out.") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                message = f"Another process is writing into {self.folder}."
                raise ExportError(message, remedy="Wait until it ends, or choose another --out.") from error
            yield

    def delete_results(self, patterns: Sequence[str]) -> None:
        """Delete the results of an earlier run: what matches the patterns in the folder, and the records."""
        for path in (path for pattern in patterns for path in self.folder.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        shutil.rmtree(self._own / "images", ignore_errors=True)
        (self._own / "run.json").unlink(missing_ok=True)

    def is_done(self, image: FolderImage) -> bool:
        """Whether the image has its results, and its file has not changed since."""
        head = self._read_head(image)
        return head is not None and head["state"] == DONE and head["stamp"] == read_stamp(image)

    def begin(self, image: FolderImage, files: Sequence[str]) -> None:
        """Delete what an earlier attempt has left, and say which files will be written, relative to the folder."""
        for name in (self._read_head(image) or {}).get("files", []):
            path = Path(os.path.normpath(self.folder / name))
            if self.folder not in path.parents:  # no record of ours
                continue
            path.unlink(missing_ok=True)
            for partial in path.parent.glob(f".*{PARTIAL}"):
                partial.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()  # unless others are in it
        self._write(image, {"state": WRITING, "image": image.name, "files": list(files)})

    def finish(self, opened: OpenedImage, files: Sequence[str], document: Mapping[str, Any]) -> None:
        """Say that the image is done."""
        head = {"state": DONE, "image": opened.image.name, "files": list(files), "stamp": opened.stamp}
        self._write(opened.image, head, document)

    def read_done(self, images: Sequence[FolderImage]) -> Iterator[tuple[FolderImage, Json]]:
        """Yield the results of each of the images that is done, in order."""
        for image in images:
            head = self._read_head(image)
            if head is not None and head["state"] == DONE:
                yield image, json.loads(self._path(image).read_bytes().split(b"\n", 1)[1])

    def _path(self, image: FolderImage) -> Path:
        return self._own / "images" / image.image_id[:2] / f"{image.image_id}.json"

    def _write(self, image: FolderImage, *lines: Mapping[str, Any]) -> None:
        write_bytes(self._path(image), b"\n".join(json.dumps(line).encode() for line in lines))

    def _read_head(self, image: FolderImage) -> Json | None:
        """Return the first line of a record; None if it is missing or damaged, so that the image is made again."""
        try:
            with self._path(image).open("rb") as record:
                head = json.loads(record.readline())
        except (OSError, ValueError):
            return None
        return head if isinstance(head, dict) and head.get("state") in (WRITING, DONE) else None
