"""The files of a model folder, checked before transformers reads them.

A folder is a copy of a model repository on the Hugging Face hub: config.json says in "model_type" which class the
weights are for, model.safetensors has the weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError, shorten

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_SEGMENTERS_BY_TYPE = {
    "sam": "one of vit_b, vit_l, vit_h and its .pth file",
    "sam2": "one of the sam2.1_hiera models",
    "sam2_video": "one of the sam2.1_hiera models",
    "edgetam": "edgetam",
    "edgetam_video": "edgetam",
}
"""The SAM_MODEL for folders of other families, by their `model_type`."""


def read_config(folder: Path, model_name: str, model_types: Sequence[str]) -> dict[str, Any]:
    """Read config.json of a folder.

    Args:
        model_name: The value of SAM_MODEL.
        model_types: Values of "model_type" in the configs of its family.

    Raises:
        CheckpointError: Not a model folder, no or an invalid config, or of another family.
    """
    again = f"Download it with `python -m scripts.download_models {model_name}`."
    if not folder.is_dir():
        message = f"{folder} is not a folder; {model_name} is loaded from a folder with {CONFIG} and {WEIGHTS}."
        raise CheckpointError(message, remedy=f"Set SAM_CHECKPOINT to the folder, or leave it empty. {again}")
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"The folder {folder} has no {CONFIG}, so it is not a model folder.", remedy=again)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}", remedy=again) from error
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if model_type not in model_types:
        other = _SEGMENTERS_BY_TYPE.get(str(model_type))
        raise CheckpointError(
            f"The folder {folder} is of the model type {shorten(repr(model_type))}, but SAM_MODEL is {model_name}, "
            f"which needs {' or '.join(model_types)}.",
            remedy=f"Set SAM_MODEL to {other}."
            if other
            else f"Set SAM_CHECKPOINT to a folder of {model_name}. {again}",
        )
    return config


def check_weights(folder: Path, model_name: str) -> None:
    """Raise `CheckpointError` unless model.safetensors is there and has all the bytes that its header announces."""
    path = folder / WEIGHTS
    again = f"Run `python -m scripts.download_models {model_name}`"
    if not path.is_file():
        raise CheckpointError(f"The folder {folder} has no {WEIGHTS}.", remedy=f"{again}.")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt"):
            pass
    except (SafetensorError, OSError) as error:
        message = f"{path} ({path.stat().st_size} bytes) is damaged or incomplete: {error}"
        raise CheckpointError(message, remedy=f"Delete it. {again}.") from error
