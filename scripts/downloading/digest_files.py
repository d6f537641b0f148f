"""FILE.sha256, in which earlier versions kept the digest of an open_clip model; now it is in the lock."""

from __future__ import annotations

import re
from pathlib import Path

from backend.errors import CheckpointError, shorten
from backend.models.checkpoints import sha256_of


def check_digest_file(target: Path) -> None:
    """Compare a file with the digest beside it, if there are both.

    Raises:
        CheckpointError: The file has another digest, or the file beside it is damaged.
    """
    path = target.with_name(target.name + ".sha256")
    if not path.exists() or not target.is_file():
        return
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.", remedy="Delete it.") from error
    expected = text.partition(" ")[0].strip()
    if re.fullmatch("[0-9a-f]{64}", expected) is None:
        raise CheckpointError(f"{path} must start with a SHA-256, got {shorten(repr(expected))}.", remedy="Delete it.")
    if sha256_of(target) != expected:
        raise CheckpointError(
            f"{target} has SHA-256 {sha256_of(target)}, expected {expected}.",
            remedy="The file is damaged: delete it and run the command again.",
        )
