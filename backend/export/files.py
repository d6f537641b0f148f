"""Atomic writing of files: a temporary file in the same folder, then a rename. And hard links to pictures."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from backend.errors import ExportError

_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk, or choose another folder with --out.",
    errno.EDQUOT: "Free some disk quota, or choose another folder with --out.",
    errno.EFBIG: "Allow larger files there (ulimit -f), or choose another folder with --out.",
    errno.EACCES: "Make the folder writable, or choose another one with --out.",
    errno.EPERM: "Make the folder writable, or choose another one with --out.",
    errno.EROFS: "That disk is read-only; choose another folder with --out.",
    errno.ENOTDIR: "Part of the path is a file; choose another folder with --out.",
    errno.EBUSY: "It is a mount point, or in use; choose a folder inside of it with --out.",
    errno.ENAMETOOLONG: "Choose a shorter name with --out.",
    errno.EIO: "The disk may be failing: see the system's log, and choose a folder on another one with --out.",
    errno.EEXIST: "The path is a file; choose another folder with --out.",
}


PARTIAL = ".part"
"""How the names of unfinished files end; only a killed process leaves one behind."""


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document` to `path`; an existing file is replaced only when the new one is completely on disk.

    Raises:
        ExportError: The folder cannot be created or written, or the disk is full; an existing file is unchanged.
    """
    with _replacing(path) as sink:
        text = io.TextIOWrapper(sink, encoding="utf-8")
        json.dump(document, text)
        text.detach()


def write_json_list(path: Path, documents: Iterable[Mapping[str, Any]], max_bytes: int) -> list[Path]:
    """Write documents as JSON arrays, one document in memory at a time: to `path`, and to NAME-2.json, … beyond a size.

    Args:
        max_bytes: Size of a file that only a single larger document may exceed.

    Returns:
        The files, at least one. Further ones of an earlier call are deleted.

    Raises:
        ExportError: As `write_json`.
    """
    encoded = (json.dumps(document).encode() for document in documents)
    written: list[Path] = []
    following = next(encoded, None)
    while not written or following is not None:
        target = path.with_stem(f"{path.stem}-{len(written) + 1}") if written else path
        with _replacing(target) as sink:
            size = sink.write(b"[")
            while following is not None and (size == 1 or size + len(following) + 4 <= max_bytes):
                size += sink.write((b",\n" if size > 1 else b"") + following)
                following = next(encoded, None)
            sink.write(b"]\n")
        written.append(target)
    for stale in path.parent.glob(f"{path.stem}-*{path.suffix}"):
        if stale not in written and stale.stem.removeprefix(f"{path.stem}-").isdecimal():
            stale.unlink(missing_ok=True)
    return written


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write `data` to `path`; an existing file is replaced only by the complete new one.

    Args:
        sync: Wait until the data is on disk. Without it the file is whole after a kill, but not after a power failure.

    Raises:
        ExportError: As `write_json`.
    """
    with _replacing(path, sync=sync) as sink:
        sink.write(data)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name by a hard link; where the file systems allow none, copy it.

    An existing target is replaced, in one step. A hard link costs no space, but both names are the same file: whoever
    changes one of them in place changes the other.

    Raises:
        OSError: The source cannot be read.
        ExportError: The target's folder cannot be created or written, or the disk is full.
    """
    temporary = target.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source.resolve(), temporary)
        temporary.replace(target)
    except OSError:  # another disk, no hard links there, too many links: whatever it is, a copy tells
        with source.open("rb") as content, _replacing(target) as sink:
            shutil.copyfileobj(content, sink, 1 << 20)
    finally:
        with contextlib.suppress(OSError):  # renaming to another name of the same file leaves both
            temporary.unlink(missing_ok=True)


@contextmanager
def _replacing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends, unless it raises."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PARTIAL)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as sink:
            yield sink
            sink.flush()
            if sync:
                os.fsync(sink.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise describe_os_error(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def is_disk_error(error: OSError) -> bool:
    """Whether a disk refused to be written to, and not for instance a connection."""
    return error.errno in _REMEDIES


def describe_os_error(path: Path, error: OSError) -> ExportError:
    """Build the error for a person: which path could not be written, why, and what to do."""
    message = f"{path} could not be written: {error.strerror or error}."
    return ExportError(message, remedy=_REMEDIES.get(error.errno or 0, "Choose another folder with --out."))


def sync_file(path: Path) -> None:
    """Wait until a closed file is on disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    """Return the process's file mode mask, which `mkstemp` does not apply. It can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
