"""Weight files on disk: locating, verifying and loading them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from backend.errors import CheckpointError
from backend.models.entries import ClassifierEntry, DetectorEntry, PublishedFile, PublishedFolder, SegmenterEntry
from backend.models.model_folder import OF_DETECTOR, OF_SEGMENTER, check_folder, download_remedy

if TYPE_CHECKING:
    import torch

_CHUNK = 1 << 20


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex. Raises `CheckpointError` if it cannot be read."""
    try:
        status = path.stat()
        return _file_digest(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint {path} cannot be read: {error.strerror}.",
            remedy="Check the path, or download the weights with `python -m scripts.download_models`.",
        ) from error


def fingerprint_of(path: Path) -> str:
    """Return the SHA-256 of a checkpoint file, or the digest of a folder: of its model files' sorted names and SHA-256.

    The digest of a folder is the SHA-256 of the lines "SHA-256, two spaces, name" in UTF-8, sorted by name, as
    `sha256sum *` prints them. So it changes with the config as well as with the weights, and with a file's name.

    Raises:
        CheckpointError: A file cannot be read.
    """
    if not path.is_dir():
        return sha256_of(path)
    lines = [f"{sha256_of(file)}  {name}\n" for name, file in sorted(list_model_files(path).items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def list_model_files(folder: Path) -> dict[str, Path]:
    """Return the files of a model folder by name.

    Left out is what no model is made of: subfolders, hidden files, downloads that are not finished (.part) and
    documents (.md).

    Raises:
        CheckpointError: The folder cannot be read.
    """
    try:
        files = {file.name: file for file in folder.iterdir() if file.is_file()}
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read: {error.strerror}.", remedy="Make it readable.") from error
    return {
        name: file for name, file in files.items() if not name.startswith(".") and file.suffix not in (".part", ".md")
    }


def check_weights_dir(weights_dir: Path) -> None:
    """Raise `CheckpointError` if a file is in the place of the weights folder; the folder may not exist yet."""
    if weights_dir.exists() and not weights_dir.is_dir():
        raise CheckpointError(
            f"The weights folder {weights_dir} is a file.",
            remedy="Set WEIGHTS_DIR (or --weights-dir) to a folder, which may not exist yet, or move the file away.",
        )


def find_segmenter_checkpoint(entry: SegmenterEntry, checkpoint: str, weights_dir: Path) -> Path:
    """Return the file or folder with a segmenter's weights: SAM_CHECKPOINT, the bundled or the downloaded one.

    Args:
        checkpoint: The value of SAM_CHECKPOINT; may be empty.

    Raises:
        CheckpointError: The file does not exist; the remedy says how to get it.
    """
    if checkpoint:
        path = Path(checkpoint)
        remedy = "Set SAM_CHECKPOINT to the weights of this model, or leave it empty."
    elif entry.bundled is not None:
        path = entry.bundled
        remedy = "Train it with `python -m scripts.train_demo_models`, or reinstall the project."
    elif entry.published is not None:
        check_weights_dir(weights_dir)
        path = weights_dir / entry.published.file_name
        remedy = download_remedy(entry.name)
    else:
        raise CheckpointError(
            f"The weights of {entry.name} are not published.", remedy="Set SAM_CHECKPOINT to the path of a file."
        )
    if isinstance(entry.published, PublishedFolder) and not entry.bundled:
        check_folder(path, entry.name, OF_SEGMENTER, remedy)
    elif not path.is_file():
        raise CheckpointError(f"There is no SAM checkpoint at {path}.", remedy=remedy)
    return path


def find_detector_folder(entry: DetectorEntry, checkpoint: str, weights_dir: Path) -> Path:
    """Return the folder with a detector's weights: DETECTOR_CHECKPOINT or the downloaded one.

    Raises:
        CheckpointError: The folder does not exist; the remedy says how to get it.
    """
    if checkpoint:
        path, remedy = Path(checkpoint), "Set DETECTOR_CHECKPOINT to the folder of such a model, or leave it empty."
    else:
        check_weights_dir(weights_dir)
        path, remedy = weights_dir / entry.published.file_name, download_remedy(entry.name)
    check_folder(path, entry.name, OF_DETECTOR, remedy)
    return path


def find_classifier_checkpoint(entry: ClassifierEntry, pretrained: str, weights_dir: Path) -> Path:
    """Return the file with a CLIP model's weights.

    Args:
        pretrained: The value of CLIP_PRETRAINED: a path, or the tag of downloaded weights; may be empty.

    Raises:
        CheckpointError: The file does not exist; the remedy says how to get it.
    """
    if not pretrained and entry.bundled is not None:
        path, remedy = entry.bundled, "Train it with `python -m scripts.train_demo_models`."
    elif Path(pretrained).is_file():
        return Path(pretrained)
    else:
        check_weights_dir(weights_dir)
        path = weights_dir / clip_file_name(entry.name, pretrained)
        remedy = download_remedy(f"{entry.name}/{pretrained or 'TAG'}")
    if not path.is_file():
        raise CheckpointError(f"There is no CLIP checkpoint at {path}.", remedy=remedy)
    return path


def clip_file_name(model_name: str, tag: str) -> str:
    """Return the file name of a downloaded open_clip checkpoint in the weights folder."""
    return f"open_clip_{model_name.replace('/', '-')}_{tag}.safetensors"


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read weights without executing code: safetensors, or a pickle that contains only tensors.

    Raises:
        CheckpointError: Damaged, truncated, or not a checkpoint.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, torch.Tensor] = load_file(path)
            return state
        import torch

        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, safetensors and pickle each raise their own family
        from backend.models.out_of_memory import is_out_of_memory

        if is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"The checkpoint {path} ({path.stat().st_size} bytes) is damaged: {error}",
            remedy="Delete it and download it again with `python -m scripts.download_models`.",
        ) from error
    weights = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise CheckpointError(
            f"The checkpoint {path} must contain a state dict (tensors by name), but is a {type(weights).__name__}.",
            remedy="Choose a file with model weights.",
        )
    return weights


def load_into(model: torch.nn.Module, path: Path, model_name: str) -> None:
    """Load weights into a torch module; all names and shapes must match.

    Raises:
        CheckpointError: Damaged, or the weights of another architecture than `model_name`.
    """
    assign_weights(model, load_state_dict(path), path, model_name)


def assign_weights(model: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path, model_name: str) -> None:
    """Assign weights that were read from `path` to a torch module; errors as in `load_into`."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n", 2)[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"The checkpoint {path} does not match the model {model_name!r}: {first[:200]}",
            remedy="Set SAM_MODEL and SAM_CHECKPOINT to a model and its checkpoint.",
        ) from error


def verify_pin(path: Path, published: PublishedFile) -> None:
    """Raise `CheckpointError` unless the file has the SHA-256 of the published file, if that is known."""
    actual = sha256_of(path)
    if published.sha256 is not None and actual != published.sha256:
        raise CheckpointError(
            f"{path} has SHA-256 {actual}, but {published.file_name} has {published.sha256}.",
            remedy="Delete the file and download it again; if the digest still differs, do not use the file.",
        )
