"""SAM 2's mask decoder for prompts on one image, with less work than the library's: see `two_way_transformer`.

A transposed convolution whose kernel is as wide as its stride is a matrix product, so the image's tokens never become
a grid of channels; the high-resolution features are brought into the order of the tokens once for each image. Every
number is a sum of the same products as in the library, and differs by float32 rounding.

Source: transformers.models.sam2.modeling_sam2.Sam2MaskDecoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.transformers_sam.steps import Features
from backend.models.two_way_transformer import (
    AttentionWeights,
    LayerWeights,
    SharedImage,
    TwoWayTransformer,
    to_tokens,
)

_IOU, _FIRST_MASK = 1, 2  # places of the output tokens; the object score is the first


@dataclass(frozen=True)
class DecoderImage:
    """What prompts on one image share.

    Attributes:
        features: Of the image, (1, C, side, side).
        shared: With the embedding of "no mask" added.
        finer: Addend of the first upscaling (1, S, C): `high_res[1]` and the layer's bias, in the order of the tokens.
        finest: Addend of the second upscaling (1, 4 * S, C / 2), likewise.
    """

    features: Tensor
    shared: SharedImage
    finer: Tensor
    finest: Tensor


@dataclass(frozen=True)
class Decoded:
    """Prompts after the transformer, before their masks: tokens (B, N, C), images (B, S, C), scores (B, 4).

    The first score is of the mask for unambiguous prompts, the others of the three candidates for ambiguous ones.
    """

    tokens: Tensor
    images: Tensor
    scores: Tensor


class MaskDecoder:
    """Mask decoder of a Sam2Model or EdgeTamModel with frozen weights. Thread-safe, keeps nothing of an image."""

    @torch.inference_mode()
    def __init__(self, model: Any) -> None:
        decoder = model.mask_decoder
        self._decoder, self._side = decoder, int(model.prompt_encoder.image_embedding_size[0])
        self._no_mask = model.prompt_encoder.no_mask_embed.weight  # (1, C)
        self._output_tokens = torch.cat(
            [decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight]
        )
        transformer = decoder.transformer
        self._transformer = TwoWayTransformer(
            [_layer_weights(layer) for layer in transformer.layers],
            _attention_weights(transformer.final_attn_token_to_image),
            transformer.layer_norm_final_attn,
            to_tokens(model.get_image_wide_positional_embeddings()),
        )
        self._first, self._second = (_to_matrix(layer) for layer in (decoder.upscale_conv1, decoder.upscale_conv2))

    def open_image(self, features: Features) -> DecoderImage:
        """Compute what all prompts on an image share."""
        finest, finer = features.high_res
        side = self._side
        finer = finer.view(-1, side, 2, side, 2).permute(1, 3, 2, 4, 0).reshape(1, side**2, -1)
        # rows and columns of a token, of its quarter, and of the quarter of that
        finest = finest.view(-1, side, 2, 2, side, 2, 2).permute(1, 4, 2, 5, 3, 6, 0).reshape(1, 4 * side**2, -1)
        shared = self._transformer.share(to_tokens(features.image) + self._no_mask)
        return DecoderImage(features.image, shared, finer + self._bias(0), finest + self._bias(1))

    def decode(self, image: DecoderImage, sparse: Tensor, dense: Tensor | None = None) -> Decoded:
        """Run the transformer for B prompts and predict the IoU of their masks.

        Args:
            sparse: Embeddings of the points and corners (B, P, C).
            dense: Embedding of a mask (1, C, side, side), the same for all prompts; None for prompts without one.
        """
        shared = image.shared if dense is None else self._transformer.share(to_tokens(image.features + dense))
        tokens = torch.cat([self._output_tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        tokens, images = self._transformer.attend(tokens, shared)
        return Decoded(tokens, images, self._decoder.iou_prediction_head(tokens[:, _IOU]))

    def upscale(self, image: DecoderImage, decoded: Decoded) -> Tensor:
        """Return the low-resolution logits of all masks (B, 4, M, M), in the order of `Decoded.scores`."""
        networks = self._decoder.output_hypernetworks_mlps
        kernels = torch.stack([net(decoded.tokens[:, _FIRST_MASK + kind]) for kind, net in enumerate(networks)], dim=1)
        batch, norm = len(decoded.images), self._decoder.upscale_layer_norm
        pixels = _baddbmm(image.finer, decoded.images, self._first[0]).view(batch, image.finest.shape[1], -1)
        pixels = functional.gelu(functional.layer_norm(pixels, pixels.shape[-1:], norm.weight, norm.bias, norm.eps))
        pixels = functional.gelu(_baddbmm(image.finest, pixels, self._second[0]))
        logits = torch.bmm(kernels, pixels.view(batch, -1, kernels.shape[2]).mT)  # (B, 4, S * 16)
        side = self._side
        parts = logits.view(batch, -1, side, side, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
        return parts.reshape(batch, -1, 4 * side, 4 * side)

    def pick_single(self, logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Choose one mask for each unambiguous prompt: its own, or the best of the three where that is not stable.

        Args:
            logits: Of all masks (B, 4, M, M).
            scores: (B, 4).

        Returns:
            Logits (B, 1, M, M) and scores (B, 1).

        Source: Sam2MaskDecoder._dynamic_multimask_via_stability.
        """
        kinds = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
        if self._decoder.dynamic_multimask_via_stability:
            delta = self._decoder.dynamic_multimask_stability_delta
            inner, outer = ((logits[:, 0] > limit).flatten(1).sum(dim=1).float() for limit in (delta, -delta))
            stability = torch.where(outer > 0, inner / outer, 1.0)
            is_stable = stability >= self._decoder.dynamic_multimask_stability_thresh
            kinds = torch.where(is_stable, kinds, 1 + scores[:, 1:].argmax(dim=1))
        rows = torch.arange(len(scores), device=scores.device)
        return logits[rows, kinds][:, None], scores[rows, kinds][:, None]

    def _bias(self, stage: int) -> Tensor:
        bias: Tensor = (self._first, self._second)[stage][1]
        return bias


def _baddbmm(addend: Tensor, batch: Tensor, matrix: Tensor) -> Tensor:
    """Multiply a batch (B, rows, k) by a matrix (k, m) and add (1, rows, m) to each."""
    return torch.baddbmm(addend, batch, matrix.expand(len(batch), -1, -1))


def _to_matrix(convolution: Any) -> tuple[Tensor, Tensor]:
    """Rewrite a 2 x 2 transposed convolution with stride 2 as a matrix (in, 4 * out) and a bias (4 * out,)."""
    weight = convolution.weight.permute(0, 2, 3, 1).reshape(convolution.in_channels, -1)
    return weight.contiguous(), convolution.bias.repeat(4)


def _attention_weights(attention: Any) -> AttentionWeights:
    heads, projections = attention.num_attention_heads, (attention.q_proj, attention.k_proj, attention.v_proj)
    return AttentionWeights(heads, *projections, attention.o_proj)


def _layer_weights(layer: Any) -> LayerWeights:
    return LayerWeights(
        is_first=layer.skip_first_layer_pe,
        to_self=_attention_weights(layer.self_attn),
        to_image=_attention_weights(layer.cross_attn_token_to_image),
        to_tokens=_attention_weights(layer.cross_attn_image_to_token),
        norms=(layer.layer_norm1, layer.layer_norm2, layer.layer_norm3, layer.layer_norm4),
        feed_forward=layer.mlp,
    )
