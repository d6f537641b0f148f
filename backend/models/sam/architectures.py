"""Architectures of SAM's first release and of the demo's SAM, by registry name, and what all SAMs have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

DEMO_IMAGE_SIZE = 256
_DEMO_PATCH = 8
_DEMO_CHANNELS = 96


@dataclass(frozen=True)
class DecoderSizes:
    """Sizes of a prompt encoder and a mask decoder: channels of the embedding, and those of the two-way transformer."""

    channels: int
    mlp_dim: int
    num_heads: int
    attention_downsample_rate: int = 2


def build_sam(model_name: str) -> Sam:
    """Build the SAM of a registry entry with random weights, in evaluation mode, on the CPU."""
    if model_name == "demo":
        return _build_demo_sam()
    build: Callable[..., Sam] = sam_model_registry[model_name]
    return build(checkpoint=None).eval()


def _build_demo_sam() -> Sam:
    """Build a SAM of about a hundredth of ViT-B's size from SAM's own classes.

    It has 256-pixel input, a 32 x 32 embedding and 128 x 128 masks.
    """
    encoder = ImageEncoderViT(
        img_size=DEMO_IMAGE_SIZE,
        patch_size=_DEMO_PATCH,
        embed_dim=_DEMO_CHANNELS,
        depth=5,
        num_heads=3,
        out_chans=_DEMO_CHANNELS,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=False,
        window_size=8,
        global_attn_indexes=(2, 4),
    )
    sizes = DecoderSizes(_DEMO_CHANNELS, mlp_dim=256, num_heads=4, attention_downsample_rate=1)
    return assemble_sam(encoder, sizes, image_size=DEMO_IMAGE_SIZE, pixels_per_cell=_DEMO_PATCH)


def assemble_sam(image_encoder: torch.nn.Module, sizes: DecoderSizes, *, image_size: int, pixels_per_cell: int) -> Sam:
    """Build a SAM with random weights around an image encoder, in evaluation mode.

    Args:
        image_encoder: Maps images (B, 3, `image_size`, `image_size`) to features (B, C, S, S).
        pixels_per_cell: `image_size` / S.
    """
    grid = image_size // pixels_per_cell
    sam = Sam(
        image_encoder=image_encoder,
        prompt_encoder=PromptEncoder(
            embed_dim=sizes.channels,
            image_embedding_size=(grid, grid),
            input_image_size=(image_size, image_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=sizes.channels,
                mlp_dim=sizes.mlp_dim,
                num_heads=sizes.num_heads,
                attention_downsample_rate=sizes.attention_downsample_rate,
            ),
            transformer_dim=sizes.channels,
            iou_head_depth=3,
            iou_head_hidden_dim=sizes.channels,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )
    return sam.eval()
