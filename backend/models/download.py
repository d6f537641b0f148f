"""Download of one file, with resume.

huggingface_hub is installed, because open_clip and transformers need it, but it is not used here: it resumes only
within one process and begins again when that was killed, it keeps files in a cache of its own layout, and it does not
compare a file with a digest that the caller knows. What is left of it, two URLs and a JSON document, is in `hub`.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from backend.errors import CheckpointError
from backend.models.checkpoints import sha256_of
from backend.models.http_get import EndOfFile, Unreachable, open_url

OnProgress = Callable[[int, int | None], None]
"""Called with (bytes so far, total bytes or None)."""
_CHUNK = 1 << 20


def download(url: str, target: Path, *, sha256: str | None, on_progress: OnProgress) -> None:
    """Download a file to `target` by way of `target.part`; arguments and errors as in `download_part`."""
    part = target.with_name(target.name + ".part")
    try:
        download_part(url, part, sha256=sha256, on_progress=on_progress)
    except Unreachable as error:
        remedy = f"{error.remedy} Without a network, download the file elsewhere and copy it to {target}."
        raise CheckpointError(error.message, remedy=remedy) from error
    part.replace(target)


def download_part(
    url: str, part: Path, *, sha256: str | None, on_progress: OnProgress, size: int | None = None, token: str = ""
) -> None:
    """Download a file whose first bytes may be here already, and verify it.

    Args:
        part: Holds what an interrupted download left, and in the end the whole file.
        sha256: Expected digest; None accepts any.
        size: Expected number of bytes; None accepts any.
        token: Bearer token for the URL's host.

    Raises:
        CheckpointError: Network or HTTP error, full disk, or another size or digest; such a file is deleted.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        if size is None or not part.exists() or part.stat().st_size != size:
            _append(url, part, token, on_progress)
    except OSError as error:
        raise _explain_disk(error, part) from error
    actual_size = part.stat().st_size
    if size is not None and actual_size != size:
        part.unlink()
        raise _refused(f"The download of {url} has {actual_size} bytes instead of {size}.")
    actual = sha256_of(part)
    if sha256 is not None and actual != sha256:
        part.unlink()
        raise _refused(f"The download of {url} has SHA-256 {actual} instead of {sha256}.")


def _append(url: str, part: Path, token: str, on_progress: OnProgress) -> None:
    received = part.stat().st_size if part.exists() else 0
    try:
        with open_url(url, token=token, start=received) as response:
            is_resumed = response.status == 206
            received = received if is_resumed else 0
            length = response.headers.get("Content-Length")
            total = received + int(length) if length else None
            with part.open("ab" if is_resumed else "wb") as file:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
                    received += len(chunk)
                    on_progress(received, total)
            if total is not None and received < total:
                raise ConnectionError(f"the connection was closed after {received} of {total} bytes")
    except EndOfFile:
        return  # the file is complete


def check_disk(folder: Path, needed_bytes: int) -> None:
    """Raise `CheckpointError` if the disk of an existing folder has less space than that."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise CheckpointError(
            f"The disk of {folder} has {free / 1e6:.0f} MB left, and the download needs {needed_bytes / 1e6:.0f} MB.",
            remedy="Free some space, or choose a folder on another disk with --weights-dir (and WEIGHTS_DIR).",
        )


def _explain_disk(error: OSError, part: Path) -> CheckpointError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CheckpointError(
            f"The disk is full: {part} could not be written.",
            remedy="Free some space and run the same command again; it resumes the download. Or choose a folder on "
            "another disk with --weights-dir (and WEIGHTS_DIR).",
        )
    return CheckpointError(
        f"{part} could not be written: {error.strerror or error}.",
        remedy="Make the folder writable, or choose another one with --weights-dir (and WEIGHTS_DIR).",
    )


def _refused(message: str) -> CheckpointError:
    return CheckpointError(
        message,
        remedy="The file was deleted. Run the command again, if need be without a proxy that rewrites downloads.",
    )
