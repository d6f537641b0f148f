"""Builder of the "sam2" and "edgetam" families: a folder with config.json and model.safetensors, as on the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError
from backend.models.entries import SegmenterEntry
from backend.models.model_folder import WEIGHTS, check_folder, check_type, check_weights, download_remedy, read_config
from backend.models.protocols import Segmenter
from backend.models.transformers_library import import_transformers

_PARTS = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
_EDGETAM_BACKBONE: dict[str, Any] = {
    "architecture": "repvit_m1",
    "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
}
"""Given here, because `EdgeTamConfig` takes a ResNet for a folder whose config does not name the backbone."""
_MAX_NAMED_KEYS = 3
_SEGMENTERS_BY_TYPE = {
    "sam": "one of vit_b, vit_l, vit_h and its .pth file",
    "sam2": "one of the sam2.1_hiera models",
    "sam2_video": "one of the sam2.1_hiera models",
    "edgetam": "edgetam",
    "edgetam_video": "edgetam",
}
"""The SAM_MODEL for folders of other families, by their `model_type`."""
_NOT_A_WEIGHT = ".num_batches_tracked"  # a counter of batch normalisation, read only in training


@dataclass(frozen=True)
class _Classes:
    """Names of a family's classes in transformers, and the values of `model_type` of the folders that they read."""

    config: str
    model: str
    model_types: tuple[str, ...]


_CLASSES = {
    "sam2": _Classes("Sam2Config", "Sam2Model", ("sam2", "sam2_video")),
    "edgetam": _Classes("EdgeTamConfig", "EdgeTamModel", ("edgetam", "edgetam_video")),
}
_PUBLISHED_SIZES = {
    (96, (1, 2, 7, 2)): "sam2.1_hiera_tiny",
    (96, (1, 2, 11, 2)): "sam2.1_hiera_small",
    (112, (2, 3, 16, 3)): "sam2.1_hiera_base_plus",
    (144, (2, 6, 36, 4)): "sam2.1_hiera_large",
}
"""Of the published encoders: channels of the first stage and blocks of each stage."""


def build(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Build the SAM 2.1 or EdgeTAM of a registry entry from a folder; of a video model, only its image part is loaded.

    Raises:
        BadSettings: Unknown device or dtype, or transformers is missing or of another version.
        CheckpointError: Not such a folder, damaged or incomplete, or of another model.
    """
    transformers = import_transformers(f"SAM_MODEL={entry.name}")
    from backend.models.transformers_sam.segmenter import TransformersSam

    model = load_model(transformers, entry, checkpoint)
    return TransformersSam(model, family=entry.family, device=device, encoder_dtype=dtype, name=entry.name)


def load_model(transformers: Any, entry: SegmenterEntry, folder: Path) -> Any:
    """Load a folder into the family's image model, float32 on the CPU. Raises `CheckpointError` as `build` does."""
    from backend.models.out_of_memory import is_out_of_memory  # imports torch

    classes = _CLASSES[entry.family]
    check_folder(folder, entry.name)
    settings = read_config(folder, entry.name)
    check_type(folder, entry.name, settings, classes.model_types, _suggest_setting(settings, entry))
    check_weights(folder, entry.name)
    config = _build_config(transformers, settings, folder, entry)
    model_class = getattr(transformers, classes.model)
    try:
        model, report = model_class.from_pretrained(
            folder,
            config=config,
            dtype="float32",
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are in the report, and refused below
            output_loading_info=True,
        )
    except Exception as error:  # transformers, timm, torch and safetensors each raise their own family
        if is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"The weights in {folder} could not be loaded as {entry.name}: {error}", remedy=_remedy(entry)
        ) from error
    _check_report(report, folder, entry)
    return model


def _suggest_setting(settings: dict[str, Any], entry: SegmenterEntry) -> str:
    """Return the remedy for a folder of another type."""
    other = _SEGMENTERS_BY_TYPE.get(str(settings.get("model_type")))
    if other:
        return f"Set SAM_MODEL to {other}."
    return f"Set SAM_CHECKPOINT to a folder of {entry.name}. {download_remedy(entry.name)}"


def _build_config(transformers: Any, settings: dict[str, Any], folder: Path, entry: SegmenterEntry) -> Any:
    parts = {name: settings[name] for name in _PARTS if name in settings}
    try:
        if entry.family == "edgetam":
            backbone = transformers.TimmWrapperConfig(**_EDGETAM_BACKBONE)
            parts["vision_config"] = {**parts.get("vision_config", {}), "backbone_config": backbone}
        config = getattr(transformers, _CLASSES[entry.family].config)(**parts)
        size = _size_name(config)
    except Exception as error:  # transformers validates field by field, with errors of its own
        message = f"{folder / 'config.json'} is not the config of {entry.name}: {error}"
        raise CheckpointError(message, remedy=_remedy(entry)) from error
    if size not in ("", entry.name):
        message = f"SAM_MODEL is {entry.name}, but {folder} contains {size}."
        raise CheckpointError(message, remedy=f"Set SAM_MODEL={size}, or SAM_CHECKPOINT to a folder of {entry.name}.")
    return config


def _size_name(config: Any) -> str:
    """Return the name of the published SAM 2.1 that has an encoder of this size; "" for any other."""
    backbone = config.vision_config.backbone_config
    blocks = getattr(backbone, "blocks_per_stage", None)
    return _PUBLISHED_SIZES.get((backbone.hidden_size, tuple(blocks)), "") if blocks else ""


def _check_report(report: dict[str, Any], folder: Path, entry: SegmenterEntry) -> None:
    """Raise unless every weight of the model was in the file and every weight of the file in the model."""
    missing = [key for key in report["missing_keys"] if not key.endswith(_NOT_A_WEIGHT)]
    mismatched = [key[0] if isinstance(key, tuple) else key for key in report["mismatched_keys"]]
    problems = {
        "lacks": missing,
        "also has": report["unexpected_keys"],
        "has other shapes of": mismatched,
    }
    found = [f"{verb} {_name_some(sorted(keys))}" for verb, keys in problems.items() if keys]
    if found or report["error_msgs"]:
        details = "; it ".join([*found, *map(str, report["error_msgs"])])
        raise CheckpointError(
            f"{folder / WEIGHTS} does not match the model {entry.name!r}: it {details}.", remedy=_remedy(entry)
        )


def _name_some(keys: list[str]) -> str:
    more = len(keys) - _MAX_NAMED_KEYS
    return ", ".join(keys[:_MAX_NAMED_KEYS]) + (f" and {more} more" if more > 0 else "")


def _remedy(entry: SegmenterEntry) -> str:
    return (
        f"Set SAM_MODEL and SAM_CHECKPOINT to a model and its folder, or download the folder again with "
        f"`python -m scripts.download_models {entry.name}`."
    )
