"""Configs of the published models, as Meta's YAML files have them (facebookresearch/sam2 at 2b90b9f, sam2/configs)."""

from __future__ import annotations

from typing import Any

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


def published_config(sam_model: str) -> Any:
    """The config of the image part of a published model."""
    import transformers

    if sam_model == "edgetam":
        arguments = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
        backbone = transformers.TimmWrapperConfig(architecture="repvit_m1", model_args=arguments)
        return transformers.EdgeTamConfig(vision_config={"backbone_config": backbone})
    backbone = transformers.Sam2HieraDetConfig(**HIERAS[sam_model])
    channels = backbone.embed_dim_per_stage[::-1]
    return transformers.Sam2Config(vision_config={"backbone_config": backbone, "backbone_channel_list": channels})
