"""Weights on this disk: which file a model needs, whether it is the published one, and how it gets into a model."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from backend.errors import CheckpointError
from backend.models.registry import ClassifierEntry, PublishedFile, SegmenterEntry

if TYPE_CHECKING:
    import torch

_CHUNK = 1 << 20


@lru_cache(maxsize=16)
def _file_digest(path: Path, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex. Raises `CheckpointError` where it cannot be read."""
    try:
        state = path.stat()
        return _file_digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint {path} cannot be read: {error.strerror}.",
            remedy="Check the path, or fetch the weights with `python -m scripts.download_models`.",
        ) from error


def find_segmenter_checkpoint(entry: SegmenterEntry, checkpoint: str, weights_dir: Path) -> Path:
    """The file that holds a segmenter's weights: the one named, the bundled one, or the one that was downloaded.

    Args:
        checkpoint: The value of SAM_CHECKPOINT; may be empty.

    Raises:
        CheckpointError: It is not there; the remedy says how to get it.
    """
    if checkpoint:
        path = Path(checkpoint)
        remedy = "Set SAM_CHECKPOINT to a file that exists, or leave it empty."
    elif entry.bundled is not None:
        path = entry.bundled
        remedy = "Train it with `python -m scripts.train_demo_models`, or install the project again."
    elif entry.published is not None:
        path = weights_dir / entry.published.file_name
        remedy = f"Fetch it with `python -m scripts.download_models {entry.name}`."
    else:
        raise CheckpointError(
            f"The weights of {entry.name} are not published.", remedy="Set SAM_CHECKPOINT to the path of a file."
        )
    if not path.is_file():
        raise CheckpointError(f"There is no SAM checkpoint at {path}.", remedy=remedy)
    return path


def find_classifier_checkpoint(entry: ClassifierEntry, pretrained: str, weights_dir: Path) -> Path:
    """The file that holds a CLIP's weights.

    Args:
        pretrained: The value of CLIP_PRETRAINED: a path, or the tag of weights that were downloaded; may be empty.

    Raises:
        CheckpointError: It is not there; the remedy says how to get it.
    """
    if not pretrained and entry.bundled is not None:
        path, remedy = entry.bundled, "Train it with `python -m scripts.train_demo_models`."
    elif Path(pretrained).is_file():
        return Path(pretrained)
    else:
        path = weights_dir / clip_file_name(entry.name, pretrained)
        remedy = f"Fetch it with `python -m scripts.download_models {entry.name}/{pretrained or 'TAG'}`."
    if not path.is_file():
        raise CheckpointError(f"There is no CLIP checkpoint at {path}.", remedy=remedy)
    return path


def clip_file_name(model_name: str, tag: str) -> str:
    """What a downloaded open_clip checkpoint is called in the weights folder."""
    return f"open_clip_{model_name.replace('/', '-')}_{tag}.safetensors"


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read weights without running code: safetensors, or a pickle of tensors only.

    Raises:
        CheckpointError: Damaged, cut short, or not a checkpoint.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, torch.Tensor] = load_file(path)
            return state
        import torch

        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, safetensors and pickle each raise their own family
        raise CheckpointError(
            f"The checkpoint {path} ({path.stat().st_size} bytes) is damaged: {error}",
            remedy="Delete it and fetch it again with `python -m scripts.download_models`.",
        ) from error
    weights = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise CheckpointError(
            f"The checkpoint {path} holds {type(weights).__name__}, not weights by their names.",
            remedy="Choose a file of model weights (a state dict).",
        )
    return weights


def load_into(model: torch.nn.Module, path: Path, model_name: str) -> None:
    """Load weights into a torch module, strictly.

    Raises:
        CheckpointError: Damaged, or of another architecture than `model_name`.
    """
    state = load_state_dict(path)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n", 2)[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"The checkpoint {path} is not one of model {model_name!r}: {first[:200]}",
            remedy="Choose the model and the checkpoint that belong together (SAM_MODEL and SAM_CHECKPOINT).",
        ) from error


def verify_pin(path: Path, published: PublishedFile) -> None:
    """Raise `CheckpointError` unless the file has the SHA-256 that its authors' file has, where that is known."""
    actual = sha256_of(path)
    if published.sha256 is not None and actual != published.sha256:
        raise CheckpointError(
            f"{path} has SHA-256 {actual}, but {published.file_name} has {published.sha256}.",
            remedy="Delete the file and fetch it again; if it stays so, do not use it.",
        )
