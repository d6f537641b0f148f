"""Weights of published models at their real size, with random values, in the layout of the published files.

They are as fast as the published ones and take as much memory; their masks are of no use.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from backend.errors import BadSettings
from backend.models.entries import SegmenterEntry
from backend.models.sam.architectures import build_sam
from backend.models.sam.mobile_sam import build_mobile_sam, published_name

_OBJECT_SCORE = 10.0  # bias of a score; below 0 SAM 2 empties the mask
_EDGETAM_BACKBONE = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
HIERAS: dict[str, dict[str, Any]] = {
    "sam2.1_hiera_tiny": {},
    "sam2.1_hiera_small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "sam2.1_hiera_base_plus": {
        "hidden_size": 112,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 3, 16, 3],
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "sam2.1_hiera_large": {
        "hidden_size": 144,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
        "window_positional_embedding_background_size": [7, 7],
    },
}
"""What differs from transformers' defaults, which are the tiny model's.

Source: the YAML files in sam2/configs/sam2.1 of https://github.com/facebookresearch/sam2.
"""


def write_random_weights(entry: SegmenterEntry, folder: Path) -> Path:
    """Write random weights of a segmenter into `folder`; return the file or the model folder.

    Raises:
        BadSettings: A family whose architecture is not known here.
    """
    if entry.bundled is not None:
        return entry.bundled
    if entry.family not in ("sam1", "mobile_sam", "sam2", "edgetam"):
        raise BadSettings(
            f"There are no random weights of {entry.name}.", remedy="Choose a model of another family to measure."
        )
    torch.manual_seed(0)
    if entry.family in ("sam2", "edgetam"):
        return _write_folder(published_config(entry.name), folder / entry.name)
    path = folder / f"{entry.name}.pth"
    if entry.family == "mobile_sam":
        state = {published_name(name): tensor for name, tensor in build_mobile_sam().state_dict().items()}
    else:
        state = build_sam(entry.name).state_dict()
    torch.save(state, path)
    return path


def published_config(name: str) -> Any:
    """Build the config of the image part of a published SAM 2.1 or EdgeTAM."""
    import transformers

    if name == "edgetam":
        backbone = transformers.TimmWrapperConfig(architecture="repvit_m1", model_args=_EDGETAM_BACKBONE)
        return transformers.EdgeTamConfig(vision_config={"backbone_config": backbone})
    hiera: Any = transformers.Sam2HieraDetConfig(**HIERAS[name])
    channels = hiera.embed_dim_per_stage[::-1]
    return transformers.Sam2Config(vision_config={"backbone_config": hiera, "backbone_channel_list": channels})


def _write_folder(config: Any, folder: Path) -> Path:
    """Write a folder in the hub's layout. `save_pretrained` renames weights of some models, so it is not used."""
    import transformers

    model = getattr(transformers, {"sam2": "Sam2Model", "edgetam": "EdgeTamModel"}[config.model_type])(config)
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(_OBJECT_SCORE)
    folder.mkdir(parents=True)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config.to_dict(), default=str), encoding="utf-8")
    return folder
