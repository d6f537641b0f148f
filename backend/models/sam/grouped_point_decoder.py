"""SAM's mask decoder for many points on one image, each a separate prompt; what the points share is computed once.

Masks are upscaled only for candidates that the caller chooses by score. On a CPU a batch of a few points is fastest,
because then its copies of the image tokens stay in the processor's cache.

Source: segment_anything.modeling.MaskDecoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from segment_anything.modeling.transformer import TwoWayTransformer as SamTransformer
from torch import Tensor

from backend.models.sam.mask_upscaler import MaskUpscaler
from backend.models.two_way_transformer import (
    AttentionWeights,
    LayerWeights,
    SharedImage,
    TwoWayTransformer,
    to_tokens,
)


@dataclass(frozen=True)
class DecodedPoints:
    """Points after the transformer, before their masks: tokens (B, N, C), images (B, S, C), scores (B, 3)."""

    tokens: Tensor
    images: Tensor
    scores: Tensor


class GroupedPointDecoder:
    """Mask decoder of a model with frozen weights, for points with three candidates each. Thread-safe."""

    def __init__(self, model: Sam) -> None:
        decoder = model.mask_decoder
        self._prompt_encoder, self._decoder = model.prompt_encoder, decoder
        image_pe = to_tokens(model.prompt_encoder.get_dense_pe())  # (S, C)
        self._transformer = _build_transformer(decoder.transformer, image_pe)
        self._output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self._upscaler = MaskUpscaler(decoder, model.prompt_encoder.image_embedding_size[0])

    def encode_points(self, coords: Tensor) -> Tensor:
        """Embed foreground points (B, 2) in pixels of the model's input, each as one prompt: (B, 2, C)."""
        labels = torch.ones(len(coords), 1, dtype=torch.int, device=coords.device)
        sparse, _ = self._prompt_encoder(points=(coords[:, None], labels), boxes=None, masks=None)
        encoded: Tensor = sparse
        return encoded

    def share(self, features: Tensor) -> SharedImage:
        """Compute what all points on an image share, from its features (1, C, side, side)."""
        return self._transformer.share(to_tokens(features) + self._prompt_encoder.no_mask_embed.weight)

    def decode(self, image: SharedImage, sparse: Tensor) -> DecodedPoints:
        """Run the transformer for points (B, 2, C) and predict the IoU of their three candidates."""
        tokens = torch.cat([self._output_tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        tokens, images = self._transformer.attend(tokens, image)
        return DecodedPoints(tokens, images, self._decoder.iou_prediction_head(tokens[:, 0])[:, 1:])

    def upscale(self, decoded: DecodedPoints, chosen: Tensor) -> Tensor:
        """Return the low-resolution logits (masks, M, M) of the chosen candidates, point by point.

        Args:
            chosen: bool (B, 3).
        """
        has_any = chosen.any(dim=1)
        tokens, images = (decoded.tokens, decoded.images)
        if not has_any.all():
            tokens, images = tokens[has_any], images[has_any]
        kernels = torch.stack([self._kernel(kind, tokens) for kind in range(1, self._decoder.num_mask_tokens)], dim=1)
        logits = self._upscaler.upscale(images, kernels)  # (points, 3, S * 16)
        return self._upscaler.to_grid(logits[chosen[has_any]])

    def _kernel(self, kind: int, tokens: Tensor) -> Tensor:
        kernel: Tensor = self._decoder.output_hypernetworks_mlps[kind](tokens[:, 1 + kind])
        return kernel


def _build_transformer(transformer: SamTransformer, image_pe: Tensor) -> TwoWayTransformer:
    return TwoWayTransformer(
        [_layer_weights(layer) for layer in transformer.layers],
        _attention_weights(transformer.final_attn_token_to_image),
        transformer.norm_final_attn,
        image_pe,
    )


def _layer_weights(layer: TwoWayAttentionBlock) -> LayerWeights:
    return LayerWeights(
        is_first=layer.skip_first_layer_pe,
        to_self=_attention_weights(layer.self_attn),
        to_image=_attention_weights(layer.cross_attn_token_to_image),
        to_tokens=_attention_weights(layer.cross_attn_image_to_token),
        norms=(layer.norm1, layer.norm2, layer.norm3, layer.norm4),
        feed_forward=layer.mlp,
    )


def _attention_weights(attention: Attention) -> AttentionWeights:
    projections = (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj)
    return AttentionWeights(attention.num_heads, *projections)
