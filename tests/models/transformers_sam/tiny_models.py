"""Tiny SAM 2 and EdgeTAM models with random weights whose masks are neither empty nor full, and their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

SIDE = 128  # of the input; 1024 for the published models
HIDDEN = 128
_FEATURE_SIZES = [[SIDE // 4, SIDE // 4], [SIDE // 8, SIDE // 8], [SIDE // 16, SIDE // 16]]
_PROMPT = {"hidden_size": HIDDEN, "image_size": SIDE, "patch_size": 16}
_DECODER = {"hidden_size": HIDDEN, "mlp_dim": 128, "num_attention_heads": 4, "iou_head_hidden_dim": 64}
_HIERA = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 16,
    "image_size": [SIDE, SIDE],
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [16, 32, 64, 128],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [8, 4, 8, 4],
    "global_attention_blocks": [3],
}
_REPVIT: dict[str, Any] = {
    "architecture": "repvit_m1",
    "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
}
FAMILIES = ("sam2", "edgetam")
SAM_MODELS = {"sam2": "sam2.1_hiera_tiny", "edgetam": "edgetam"}


def tiny_config(family: str) -> Any:
    """The config of an image model."""
    import transformers

    if family == "sam2":
        vision = {"backbone_config": _HIERA, "backbone_channel_list": [128, 64, 32, 16]}
    else:
        vision = {"backbone_config": transformers.TimmWrapperConfig(**_REPVIT)}
    vision |= {"backbone_feature_sizes": _FEATURE_SIZES, "fpn_hidden_size": HIDDEN}
    config_class = transformers.Sam2Config if family == "sam2" else transformers.EdgeTamConfig
    return config_class(vision_config=vision, prompt_encoder_config=_PROMPT, mask_decoder_config=_DECODER)


def build_tiny(family: str, seed: int = 0) -> Any:
    """A random image model in eval mode."""
    import transformers

    torch.manual_seed(seed)
    model_class = transformers.Sam2Model if family == "sam2" else transformers.EdgeTamModel
    model = model_class(tiny_config(family))
    return spread(model).eval().requires_grad_(False)


def spread(model: Any) -> Any:
    """Give a model weights of which masks cover 5 to 95 % of the image, and objects that are there."""
    with torch.no_grad():
        spread_decoder(model, model.vision_encoder.neck)
        if hasattr(model.vision_encoder.backbone, "timm_model"):
            for convolution in model.vision_encoder.neck.convs:
                convolution.weight.mul_(0.1)
        for module in model.modules():  # one batch sets the statistics, without which the features of RepViT vanish
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.train().get_image_features(torch.randn(2, 3, SIDE, SIDE))
    return model


@torch.no_grad()
def spread_decoder(model: Any, *others: torch.nn.Module) -> None:
    """Give a model's decoder and prompt encoder, and other parts, weights whose masks depend on image and prompt."""
    for module in (model.mask_decoder, model.prompt_encoder, *others):
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 1.4 / parameter[0].numel() ** 0.5)
    model.no_memory_embedding.normal_(0, 0.5)
    model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(10)


def write_folder(folder: Path, family: str, state: dict[str, torch.Tensor], model_type: str = "") -> Path:
    """Write config.json and model.safetensors as the hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = tiny_config(family).to_dict() | {"model_type": model_type or family}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, folder / "model.safetensors")
    return folder
