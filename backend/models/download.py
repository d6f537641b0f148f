"""Downloads of weights, with resume, and the digests that the Hugging Face hub publishes.

The hub sends a large file's SHA-256 in the `X-Linked-ETag` header of the response that redirects to the storage.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError
from backend.models.checkpoints import sha256_of

_CHUNK = 1 << 20
_RETRY_REMEDY = "Check the network and the disk, then run the same command again; it resumes the download."


def fetch_hub_digest(url: str) -> str:
    """Return the SHA-256 that the Hugging Face hub publishes for a large file.

    Raises:
        CheckpointError: The hub cannot be reached, or publishes no digest for this file.
    """
    import urllib.error
    import urllib.request

    class _NoRedirects(urllib.request.HTTPRedirectHandler):
        """The digest is in the response that redirects to the storage, not in the storage's response."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    request = urllib.request.Request(url, method="HEAD")
    try:
        headers = urllib.request.build_opener(_NoRedirects).open(request, timeout=30).headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except OSError as error:
        raise CheckpointError(f"{url} could not be reached: {error}", remedy=_RETRY_REMEDY) from error
    digest = str(headers.get("X-Linked-ETag", "")).strip('"')
    if re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise CheckpointError(
            f"{url} has no SHA-256: its X-Linked-ETag is {digest!r}.", remedy="Check the model's name and tag."
        )
    return digest


def download(url: str, target: Path, *, sha256: str | None, on_progress: Callable[[int, int | None], None]) -> None:
    """Download a file to `target` by way of `target.part`; an interrupted download is resumed.

    Args:
        sha256: Expected digest; None accepts any file.
        on_progress: Called with (bytes so far, total bytes or None).

    Raises:
        CheckpointError: Network or HTTP error, full disk, or another digest than `sha256`.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download_to(url, part, on_progress)
    except OSError as error:
        raise CheckpointError(
            f"{url} could not be downloaded: {error}",
            remedy=f"{_RETRY_REMEDY} Without a network, download the file elsewhere and copy it to {target}.",
        ) from error
    actual = sha256_of(part)
    if sha256 is not None and actual != sha256:
        part.unlink()
        raise CheckpointError(
            f"The download of {url} has SHA-256 {actual} instead of {sha256}.",
            remedy="The file was deleted. Run the command again, if need be without a proxy that rewrites downloads.",
        )
    part.replace(target)


def _download_to(url: str, part: Path, on_progress: Callable[[int, int | None], None]) -> None:
    import urllib.error
    import urllib.request

    received = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={received}-"} if received else {})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the file is complete
            return
        raise
    with response:
        resumed = response.status == 206
        received = received if resumed else 0
        length = response.headers.get("Content-Length")
        total = received + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                on_progress(received, total)
    if total is not None and received < total:
        raise ConnectionError(f"the connection was closed after {received} of {total} bytes")
