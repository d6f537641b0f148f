"""Downloads of weights, with resume, and the digests that the Hugging Face hub states.

A large file on the hub has its SHA-256 in the header `X-Linked-ETag` of the reply that redirects to the storage.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError
from backend.models.checkpoints import sha256_of

_CHUNK = 1 << 20
_NO_NETWORK = "Check the network and the disk and run the same command again: it continues where it stopped."


def fetch_hub_digest(url: str) -> str:
    """The SHA-256 that the Hugging Face hub names for a large file.

    Raises:
        CheckpointError: No network, or the hub names none.
    """
    import urllib.error
    import urllib.request

    class _StayHere(urllib.request.HTTPRedirectHandler):
        """The digest is in the answer that redirects to the storage, not in the storage's own."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    request = urllib.request.Request(url, method="HEAD")
    try:
        headers = urllib.request.build_opener(_StayHere).open(request, timeout=30).headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except OSError as error:
        raise CheckpointError(f"{url} could not be reached: {error}", remedy=_NO_NETWORK) from error
    digest = str(headers.get("X-Linked-ETag", "")).strip('"')
    if re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise CheckpointError(
            f"{url} names no SHA-256: its X-Linked-ETag is {digest!r}.", remedy="Check the model's name and tag."
        )
    return digest


def download(url: str, target: Path, *, sha256: str | None, on_progress: Callable[[int, int | None], None]) -> None:
    """Fetch a file into `target` through `target.part`, continuing where an earlier try stopped.

    Args:
        sha256: What it must be; None to accept any.
        on_progress: Called with (bytes so far, bytes in all or None).

    Raises:
        CheckpointError: No network, a refusal, a full disk, or another digest than `sha256`.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_into(url, part, on_progress)
    except OSError as error:
        raise CheckpointError(
            f"{url} could not be fetched: {error}",
            remedy=f"{_NO_NETWORK} Without a network, fetch the file elsewhere and put it at {target}.",
        ) from error
    actual = sha256_of(part)
    if sha256 is not None and actual != sha256:
        part.unlink()
        raise CheckpointError(
            f"{url} arrived with SHA-256 {actual} instead of {sha256}.",
            remedy="It was deleted. Run the command again; a proxy that rewrites downloads may be in the way.",
        )
    part.replace(target)


def _fetch_into(url: str, part: Path, on_progress: Callable[[int, int | None], None]) -> None:
    import urllib.error
    import urllib.request

    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        raise
    with response:
        resumed = response.status == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                on_progress(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")
