"""Model folders: whether one is complete and of the right model, checked before transformers reads it.

A folder is a copy of a model repository on the Hugging Face hub: config.json says in "model_type" which class the
weights are for, model.safetensors has the weights. Importing this module does not import torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError, shorten

CONFIG, WEIGHTS = "config.json", "model.safetensors"
OF_SEGMENTER = ((CONFIG,), (WEIGHTS,))
OF_DETECTOR = (*OF_SEGMENTER, ("preprocessor_config.json", "processor_config.json"), ("tokenizer.json", "vocab.txt"))
"""Files that such models cannot do without; of each row one is enough."""


def check_folder(
    folder: Path, model_name: str, needed: Sequence[Sequence[str]] = OF_SEGMENTER, remedy: str = ""
) -> None:
    """Raise `CheckpointError` unless a folder has all files that a model cannot do without.

    Args:
        model_name: The value of SAM_MODEL or DETECTOR.
        needed: `OF_SEGMENTER` or `OF_DETECTOR`.
        remedy: What to do; "" for a download.
    """
    remedy = remedy or download_remedy(model_name)
    names = [" or ".join(row) for row in needed]
    if not folder.exists():
        raise CheckpointError(f"There is no model folder of {model_name} at {folder}.", remedy=remedy)
    if not folder.is_dir():
        message = f"{folder} is a file, but {model_name} is loaded from a folder with {', '.join(names)}."
        raise CheckpointError(message, remedy=remedy)
    missing = [
        name for name, row in zip(names, needed, strict=True) if not any((folder / one).is_file() for one in row)
    ]
    if missing and any(file.suffix == ".part" for file in folder.iterdir()):
        message = f"The download of {folder} is not finished: {', '.join(missing)} is missing."
        raise CheckpointError(message, remedy=f"{remedy} It resumes where it stopped.")
    if missing:
        raise refuse_folder(folder, model_name, f"it has no {', '.join(missing)}", remedy)


def read_config(folder: Path, model_name: str) -> dict[str, Any]:
    """Read config.json of a folder. Raises `CheckpointError` if it is damaged."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"it is a {type(config).__name__}, not an object with settings")
    except (OSError, ValueError) as error:
        raise _refuse_file(folder / CONFIG, str(error), model_name) from error
    return config


def check_type(
    folder: Path, model_name: str, config: dict[str, Any], model_types: Sequence[str], remedy: str = ""
) -> None:
    """Raise `CheckpointError` unless a folder's config is of one of these types.

    Args:
        remedy: As for `check_folder`.
    """
    found = config.get("model_type")
    if found not in model_types:
        message = (
            f"The folder {folder} holds a model of type {shorten(repr(found))}, but {model_name} is one of type "
            f"{' or '.join(map(repr, model_types))}."
        )
        raise CheckpointError(message, remedy=remedy or download_remedy(model_name))


def check_weights(folder: Path, model_name: str) -> None:
    """Raise `CheckpointError` unless model.safetensors has all the bytes that its header announces."""
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    try:
        with safe_open(path, "pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise _refuse_file(path, str(error), model_name) from error


def refuse_folder(folder: Path, model_name: str, problem: str, remedy: str = "") -> CheckpointError:
    """Build the error of a folder that cannot be loaded; a download is the remedy unless another one is given."""
    message = f"{folder} is not a model folder of {model_name}: {problem}."
    return CheckpointError(message, remedy=remedy or download_remedy(model_name))


def download_remedy(name: str) -> str:
    """Say how to get a model's weights."""
    return f"Download it with `python -m scripts.download_models {name}`."


def _refuse_file(path: Path, problem: str, model_name: str) -> CheckpointError:
    message = f"{path} ({path.stat().st_size} bytes) is damaged or incomplete: {problem}"
    return CheckpointError(message, remedy=f"Delete it. {download_remedy(model_name)}")
