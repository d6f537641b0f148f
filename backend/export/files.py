"""Atomic writing of files: a temporary file in the same folder, then a rename."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.errors import ExportError

_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk, or choose another folder with --out.",
    errno.EDQUOT: "Free some disk quota, or choose another folder with --out.",
    errno.EFBIG: "Allow larger files there (ulimit -f), or choose another folder with --out.",
    errno.EACCES: "Make the folder writable, or choose another one with --out.",
    errno.EPERM: "Make the folder writable, or choose another one with --out.",
    errno.EROFS: "That disk is read-only; choose another folder with --out.",
    errno.ENOTDIR: "Part of the path is a file; choose another folder with --out.",
    errno.EEXIST: "The path is a file; choose another folder with --out.",
}


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document` to `path`; an existing file is replaced only when the new one is completely on disk.

    Raises:
        ExportError: The folder cannot be created or written, or the disk is full; an existing file is unchanged.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as sink:
            json.dump(document, sink)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise ExportError(
            f"{path} could not be written: {error.strerror or error}.",
            remedy=_REMEDIES.get(error.errno or 0, "Choose another folder with --out."),
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's file mode mask, which `mkstemp` does not apply. It can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
