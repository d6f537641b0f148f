"""Lock of a folder: a second process that wants to write to it is refused while the first one lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from backend.errors import ExportError

MAX_BYTES = 64


class FolderLock:
    """Lock by a file that is removed when the lock is released. It ends with the process, however that dies.

    Args:
        path: Of the lock file.
        folder: What it protects, for the error message.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self._folder = path, folder
        self._handle: int | None = None

    def acquire(self) -> str:
        """Take the lock.

        Returns:
            What the last process wrote if it died with the lock; "" otherwise.

        Raises:
            ExportError: Another process holds it.
            OSError: The file cannot be created.
        """
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current(handle):
                    self._handle = handle
                    return os.pread(handle, MAX_BYTES, 0).decode("ascii", "replace")
            except BlockingIOError as error:
                os.close(handle)
                raise ExportError(
                    f"Another export to {self._folder} is running.",
                    remedy="Wait for it or stop it, or choose another folder with --out.",
                ) from error
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # the file of a process that has just released its lock; try with a new one

    def write(self, text: str) -> None:
        """Write ASCII for the one who takes the lock if this process dies; it is on the disk on return."""
        assert self._handle is not None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text.encode("ascii"), 0)
        os.fsync(self._handle)

    def release(self, *, remove: bool = True) -> None:
        """Release the lock and remove its file, or leave it with what was written to it."""
        if self._handle is not None:
            if remove:
                self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _is_current(self, handle: int) -> bool:
        """Whether the locked file is still the one at the path, so that the next process meets the same one."""
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False
