"""The folder of an export, which is replaced as a whole or not at all.

    DIR.new      the export while it is being written; its files are on the disk before anything is renamed
    DIR          → DIR.old, then DIR.new → DIR, then DIR.old is removed
    DIR.pictures pictures that were fetched already; all that a failed export leaves, for the next one to go on with
    DIR.lock     held by the process that exports into DIR; says whether it has come to the renames

Two renames cannot be one, so a process can die between them. It leaves DIR.lock, by which the next start knows that
DIR.old and DIR.new are not a person's: with DIR.old and without DIR it finishes the exchange, and with both it removes
the old one. Nothing is removed that a person may have put there (`export_record`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from backend.errors import ExportError
from backend.export.files import describe_os_error, is_disk_error
from backend.export.output_folder.export_record import RECORD, check_folder, is_unfinished, read_record, write_record
from backend.export.output_folder.folder_lock import FolderLock
from backend.export.output_folder.picture_cache import remove_pictures

EXCHANGING = "label-studio-sam-clip: exchanging"
"""What the lock file says from before the first rename on."""


class ExportFolder:
    """Context manager around the writing of an export: gives the folder to write to, and commits if nothing is raised.

    On an error the earlier export stays as it was, the new one is removed, and an `OSError` of the disk becomes an
    `ExportError` that says what to do.

    Args:
        path: DIR; created with its parents.

    Attributes:
        path: DIR without symbolic links.
        staging: Folder to write to, new and empty.
        pictures: Folder for the pictures that were fetched, kept until an export succeeds.
        record: What `export.json` shall say about the export, JSON-ready; to be filled before the block ends.

    Raises:
        ExportError: DIR is not an export, another process exports to it, or the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.staging = _beside(self.path, ".new")
        self.pictures = _beside(self.path, ".pictures")
        self.record: dict[str, Any] = {}
        self._old = _beside(self.path, ".old")
        self._is_exchanging = self._owns_staging = self._is_committed = False
        self._lock = FolderLock(_beside(self.path, ".lock"), self.path)

    def __enter__(self) -> Path:
        """Recover what a killed process left, and create the folder to write to."""
        try:
            self._prepare()
        except OSError as error:
            self._abandon()
            raise self._describe(error) from error
        except BaseException:
            self._abandon()
            raise
        return self.staging

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._commit()
            elif isinstance(error, OSError) and self._is_own(error):
                raise self._describe(error) from error
        except OSError as failure:
            raise self._describe(failure) from failure
        finally:
            self._abandon()

    def _prepare(self) -> None:
        self._is_exchanging = self._owns_staging = self._is_committed = False
        self._check_place()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        left = self._lock.acquire()
        if left not in ("", EXCHANGING):
            self._lock.release(remove=False)
            raise self._in_the_way(self._lock.path)
        self._is_exchanging = left == EXCHANGING
        if self._is_exchanging:
            self._finish_exchange()
        self._check_names()
        check_folder(self.path)
        if self.path.exists() and not os.access(self.path, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))  # it could not be removed
        remove_export(self.staging)
        self.staging.mkdir()
        self._owns_staging = True
        write_record(self.staging, {}, is_finished=False)

    def _abandon(self) -> None:
        """Remove what is left of the new export, if anything, and release the lock."""
        with contextlib.suppress(OSError):  # the next start removes what cannot be removed now
            if self._owns_staging:
                remove_export(self.staging)
        with contextlib.suppress(OSError):
            if self._owns_staging:
                self.pictures.rmdir()  # unless there are pictures to go on with
        # the file of the lock stays while the next start has something to finish
        self._lock.release(remove=not (self._is_exchanging and self._old.exists()))

    def _is_own(self, error: OSError) -> bool:
        """Whether the disk refused to write the export; another `OSError` may come from what is exported."""
        places = (self.staging, self.pictures)
        is_here = error.filename is None or any(Path(str(error.filename)).is_relative_to(place) for place in places)
        return is_here and is_disk_error(error)

    def _check_place(self) -> None:
        if not self.path.name or os.path.ismount(self.path):
            raise ExportError(
                f"{self.path} cannot be replaced as a whole, because it is a mount point.",
                remedy=f"Choose a folder inside of it, such as --out {self.path / 'export'}.",
            )

    def _check_names(self) -> None:
        """Check that the names beside DIR are free, or taken by an export that was broken off."""
        for folder in (self._old, self.staging):
            if os.path.lexists(folder) and not is_unfinished(folder):
                raise self._in_the_way(folder)

    def _in_the_way(self, path: Path) -> ExportError:
        return ExportError(
            f"{path} is in the way: an export to {self.path} needs this name for a while.",
            remedy="Rename it, or choose another folder with --out.",
        )

    def _finish_exchange(self) -> None:
        """Finish the exchange of a process that was killed during it; what it had written completely, it had synced."""
        if self._old.exists() and not self.path.exists():
            is_finished = read_record(self.staging).get("finished") is True
            (self.staging if is_finished else self._old).rename(self.path)
            _sync(self.path.parent)
        remove_export(self._old)
        remove_export(self.staging)
        self._lock.write("")
        self._is_exchanging = False

    def _commit(self) -> None:
        check_folder(self.path)  # somebody may have put a file there meanwhile
        self._check_names()
        self._lock.write(EXCHANGING)
        self._is_exchanging = True
        write_record(self.staging, self.record, is_finished=True)
        if self.path.exists():
            shutil.copymode(self.path, self.staging)
        _sync_tree(self.staging)
        try:
            if self.path.exists():
                self.path.rename(self._old)
            self.staging.rename(self.path)
        except BaseException:
            if self._old.exists() and not self.path.exists():
                self._old.rename(self.path)
            raise
        self._is_committed = True
        _sync(self.path.parent)
        remove_pictures(self.pictures)
        remove_export(self._old)

    def _describe(self, error: OSError) -> ExportError:
        path = Path(str(error.filename or self.staging))
        if self._is_committed:
            reason = f"could not be cleaned up ({path}: {error.strerror or error})"
            return ExportError(
                f"{self.path} is complete, but what it replaced {reason}.",
                remedy=f"Remove {self._old}, or let the next export to this folder do it.",
            )
        described = describe_os_error(path, error)
        is_beside = path != self.path and not self.staging.exists()
        if is_beside and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = f"An export is prepared beside its folder, so {self.path.parent} must be writable. "
            described = ExportError(described.message, remedy=remedy + described.remedy)
        if self.path.exists():
            unchanged = f"{described.message} The earlier content of {self.path} is unchanged."
            described = ExportError(unchanged, remedy=described.remedy)
        return described


def remove_export(folder: Path) -> None:
    """Remove a folder, its record last: until then it can be told from a folder that is somebody's own."""
    if not folder.exists():
        return
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif entry.name != RECORD:
            Path(entry.path).unlink()
    (folder / RECORD).unlink(missing_ok=True)
    folder.rmdir()


def _beside(path: Path, suffix: str) -> Path:
    return path.parent / (path.name + suffix)


def _sync_tree(folder: Path) -> None:
    """Wait until all files are on the disk.

    One call for the whole system takes 0.2 s for 20,000 files, where one for each of them takes 5 s; it tells no
    errors, so each file is asked afterwards, which then costs little.
    """
    os.sync()
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(Path(parent, name))
        _sync(Path(parent))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
