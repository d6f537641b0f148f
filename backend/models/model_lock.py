"""The lock of the downloaded models, `models.lock.json` in the weights folder: what each of them was when it came.

    {
      "version": 1,
      "models": {
        "facebook--sam2.1-hiera-tiny": {
          "repository": "facebook/sam2.1-hiera-tiny",
          "commit": "de431c4043854a71d8101e17995dfe596bf101a5",
          "files": {"config.json": "SHA-256 in hex", "model.safetensors": "SHA-256 in hex"}
        },
        "open_clip_ViT-B-32_openai.safetensors": {…}
      }
    }

A key of `models` is the name of a folder, or of a single file, in the weights folder; keys are sorted. A digest that
this project does not pin is trusted at the first download, and any other is refused afterwards. The lock is as
trustworthy as its folder: it notices accidents and changes of the hub, not a person who may write there.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError, shorten
from backend.models.checkpoints import check_weights_dir, list_model_files, sha256_of, verify_pin
from backend.models.entries import Published, PublishedFile, PublishedFolder

LOCK_NAME = "models.lock.json"
_VERSION = 1


@dataclass(frozen=True)
class LockedModel:
    """A downloaded model.

    Attributes:
        repository: "owner/name" on the hub.
        commit: The revision that was downloaded.
        files: SHA-256 by file name.
    """

    repository: str
    commit: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Differences:
    """How the files on disk differ from the locked ones, by name."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.added)

    def __str__(self) -> str:
        parts = {"changed": self.changed, "missing": self.missing, "added": self.added}
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in parts.items() if names)


def read_lock(weights_dir: Path) -> dict[str, LockedModel]:
    """Return the locked models by name; empty if there is no lock yet.

    Raises:
        CheckpointError: The lock is damaged, or of a later version, or the folder is a file.
    """
    check_weights_dir(weights_dir)
    path = weights_dir / LOCK_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != _VERSION:
            raise CheckpointError(
                f"{path} is of version {shorten(document['version'])}; this project reads version {_VERSION}.",
                remedy="Update the project to the version that wrote it.",
            )
        return {name: _parse_model(entry) for name, entry in document["models"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"The lock {path} is damaged: {shorten(f'{type(error).__name__}: {error}')}.",
            remedy="Restore it from a backup. Or delete it and run `python -m scripts.download_models NAME` for each "
            "model: their files are then compared with the hub, and the present ones are locked.",
        ) from error


def _parse_model(entry: Any) -> LockedModel:
    repository, commit, files = entry["repository"], entry["commit"], dict(entry["files"])
    texts = [repository, commit, *files, *files.values()]
    if not files or not all(isinstance(text, str) for text in texts) or not re.fullmatch("[0-9a-f]{40}", commit):
        raise ValueError("an entry must have a repository, a commit and files")
    if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in files.values()):
        raise ValueError("a digest is not a SHA-256")
    return LockedModel(repository, commit, files)


def write_to_lock(weights_dir: Path, name: str, model: LockedModel) -> None:
    """Set the entry of one model; readers see the old file or the new one, never half of it.

    Raises:
        CheckpointError: The lock is damaged or cannot be written.
    """
    models = {**read_lock(weights_dir), name: model}
    document = {"version": _VERSION, "models": {key: asdict(entry) for key, entry in models.items()}}
    path, draft = weights_dir / LOCK_NAME, weights_dir / f".{LOCK_NAME}.new"
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"The lock {path} could not be written: {error.strerror}.",
            remedy="The weights are complete. Free some space or make the folder writable, and run the command again.",
        ) from error


@contextmanager
def only_one_download(weights_dir: Path) -> Iterator[None]:
    """Keep other downloads out of a weights folder, which is created if need be.

    Raises:
        CheckpointError: Another process downloads into it, or it cannot be written to, or it is a file.
    """
    check_weights_dir(weights_dir)
    try:
        weights_dir.mkdir(parents=True, exist_ok=True)
        with (weights_dir / ".downloading").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError(
                    f"Another process downloads into {weights_dir}.", remedy="Wait until it has finished."
                ) from error
            yield
    except OSError as error:
        raise CheckpointError(
            f"{weights_dir} cannot be written to: {error.strerror or error}.",
            remedy="Make it writable, or choose another folder with --weights-dir (and WEIGHTS_DIR).",
        ) from error


def find_differences(path: Path, locked: LockedModel) -> Differences:
    """Compare a downloaded folder, or a downloaded file, with its entry. Reads all of it."""
    present = {path.name: path} if path.is_file() else {}
    if path.is_dir():
        present = list_model_files(path)
    return Differences(
        changed=tuple(n for n, d in sorted(locked.files.items()) if n in present and sha256_of(present[n]) != d),
        missing=tuple(sorted(locked.files.keys() - present.keys())),
        added=tuple(sorted(present.keys() - locked.files.keys())),
    )


def verify_download(
    path: Path, published: Published | None, weights_dir: Path, lock: Mapping[str, LockedModel] | None = None
) -> None:
    """Refuse downloaded weights that are not those that were downloaded; a checkpoint of one's own is let through.

    Args:
        path: The file or folder that is about to be loaded.
        published: What the registry knows of it.
        lock: What `read_lock` returns, if it has been read.

    Raises:
        CheckpointError: Its files differ from this project's pins or from the lock, or the lock is damaged.
    """
    if isinstance(published, PublishedFile) and path.name == published.file_name:
        verify_pin(path, published)
        if published.sha256 is not None:
            return
    if path.resolve() != (weights_dir / path.name).resolve():
        return
    if isinstance(published, PublishedFolder) and path.name == published.file_name:
        for name, digest in published.pins:
            _verify_pinned(path / name, digest)
    locked = (read_lock(weights_dir) if lock is None else lock).get(path.name)
    if locked is None:
        return
    differences = find_differences(path, locked)
    if differences:
        raise CheckpointError(
            f"{path} is not as it was downloaded ({differences}).",
            remedy="Delete what changed or was added and run `python -m scripts.download_models` for this model again. "
            "If you meant to change it, copy it to another folder and set its path.",
        )


def _verify_pinned(path: Path, digest: str) -> None:
    actual = sha256_of(path)
    if actual != digest:
        raise CheckpointError(
            f"{path} has SHA-256 {actual}, but this project pins {digest}.",
            remedy="Download it again with `python -m scripts.download_models NAME --update`. If it still differs, do "
            "not use it.",
        )
