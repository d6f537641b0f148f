"""SAM's two-way transformer for many prompts on one image, with its matrix products reordered: less work, same result.

SAM 1, SAM 2 and their descendants share it. The libraries project all S tokens of the image to keys and values for
every prompt. A prompt has only N tokens (about 8), so here the projections are applied to those instead. For head h,
prompt tokens t and image tokens x:

    t Wq (x Wk)'        =  (t Wq Wk') x'             scores (N, S) without projecting the image
    softmax(...) (x Wv) =  (softmax(...) x) Wv       values, likewise

Attention from the image to the tokens is rewritten in the same way with the roles exchanged. The image's tokens are
the same for all prompts until they attend to a prompt for the first time, at the end of the first layer, so the keys,
values and queries of the image in that layer are computed once for all prompts.

Source: segment_anything.modeling.TwoWayTransformer, transformers.models.sam2.modeling_sam2.Sam2TwoWayTransformer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear, functional


@dataclass(frozen=True)
class AttentionWeights:
    """Frozen projections of an attention with `heads` heads."""

    heads: int
    query: Linear
    key: Linear
    value: Linear
    out: Linear

    @property
    def scale(self) -> float:
        """The number that scores are divided by."""
        return float(self.query.out_features // self.heads) ** 0.5


@dataclass(frozen=True)
class LayerWeights:
    """Frozen weights of one layer; `is_first` if its self-attention has neither positions nor a residual."""

    is_first: bool
    to_self: AttentionWeights
    to_image: AttentionWeights
    to_tokens: AttentionWeights
    norms: tuple[LayerNorm, LayerNorm, LayerNorm, LayerNorm]
    feed_forward: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SharedImage:
    """What all prompts on one image share; c is the width of a head.

    Attributes:
        tokens: The image's tokens (S, C), float32.
        keys, values: Of the first attention from the prompts to the image: (heads, c, S) and (heads, S, c).
        queries: Of the first attention from the image to the prompts: (heads, c, S), divided by its scale.
    """

    tokens: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor


class TwoWayTransformer:
    """Two-way transformer with frozen weights. Thread-safe.

    Args:
        image_pe: Position encoding of the image's tokens (S, C).
    """

    def __init__(
        self, layers: Sequence[LayerWeights], final: AttentionWeights, final_norm: LayerNorm, image_pe: Tensor
    ) -> None:
        self._first, *self._later = layers
        self._final, self._final_norm, self._image_pe = final, final_norm, image_pe

    def share(self, image: Tensor) -> SharedImage:
        """Compute what all prompts on an image share, from its tokens (S, C)."""
        with_pe, to_image, to_tokens = image + self._image_pe, self._first.to_image, self._first.to_tokens
        return SharedImage(
            image,
            keys=_by_head(to_image.key(with_pe), to_image.heads).mT.contiguous(),
            values=_by_head(to_image.value(image), to_image.heads).contiguous(),
            queries=(_by_head(to_tokens.query(with_pe), to_tokens.heads) / to_tokens.scale).mT.contiguous(),
        )

    def attend(self, tokens: Tensor, shared: SharedImage) -> tuple[Tensor, Tensor]:
        """Let the tokens of B prompts (B, N, C) and the image attend to each other.

        Returns:
            Tokens (B, N, C) and an image for each prompt (B, S, C).
        """
        first = self._first
        queries = _attend_to_self(first, tokens, tokens)
        queries = _add_and_feed_forward(first, queries, _tokens_to_shared(first.to_image, queries + tokens, shared))
        images = first.norms[3](_shared_to_tokens(first.to_tokens, shared, queries + tokens, queries))
        for layer in self._later:
            queries = _attend_to_self(layer, queries, tokens)
            with_pe = images + self._image_pe
            attended = _tokens_to_images(layer.to_image, queries + tokens, with_pe, images)
            queries = _add_and_feed_forward(layer, queries, attended)
            images = layer.norms[3](_images_to_tokens(layer.to_tokens, images, with_pe, queries + tokens, queries))
        attended = _tokens_to_images(self._final, queries + tokens, images + self._image_pe, images)
        return self._final_norm(queries + attended), images


def to_tokens(grid: Tensor) -> Tensor:
    """Copy (1, C, side, side) to (S, C)."""
    return grid[0].flatten(1).T.contiguous()


def _attend_to_self(layer: LayerWeights, queries: Tensor, tokens: Tensor) -> Tensor:
    with_pe = queries if layer.is_first else queries + tokens
    weights = layer.to_self
    split = [
        projection(given).unflatten(-1, (weights.heads, -1)).transpose(1, 2)  # (B, heads, N, c)
        for projection, given in ((weights.query, with_pe), (weights.key, with_pe), (weights.value, queries))
    ]
    attended = weights.out(functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2))
    return layer.norms[0](attended if layer.is_first else queries + attended)


def _add_and_feed_forward(layer: LayerWeights, queries: Tensor, attended: Tensor) -> Tensor:
    queries = layer.norms[1](queries + attended)
    return layer.norms[2](queries + layer.feed_forward(queries))


def _tokens_to_shared(weights: AttentionWeights, tokens: Tensor, image: SharedImage) -> Tensor:
    """Attend from tokens (B, N, C) to an image that is the same for all prompts. Returns (B, N, C)."""
    queries = _by_head(weights.query(tokens) / weights.scale, weights.heads)  # (heads, B * N, c)
    attended = torch.bmm(torch.softmax(torch.bmm(queries, image.keys), dim=-1), image.values)
    return weights.out(_join_heads(attended).view(*tokens.shape[:2], -1))


def _tokens_to_images(weights: AttentionWeights, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from tokens (B, N, C) to each prompt's own image, whose keys and values are (B, S, C).

    The keys' bias adds the same amount to all scores of a token, which does not change their softmax.
    """
    heads, (batch, count, channels) = weights.heads, tokens.shape
    queries = _by_head(weights.query(tokens) / weights.scale, heads)  # (heads, B * N, c)
    folded = torch.bmm(queries, weights.key.weight.view(heads, -1, channels))  # (heads, B * N, C)
    scores = torch.bmm(_by_prompt(folded, batch), keys.mT)  # (B, heads * N, S)
    attended = torch.bmm(torch.softmax(scores, dim=-1), values)  # (B, heads * N, C)
    by_head = attended.view(batch, heads, count, channels).transpose(0, 1).reshape(heads, -1, channels)
    projected = torch.bmm(by_head, weights.value.weight.view(heads, -1, channels).mT)  # (heads, B * N, c)
    return weights.out((_join_heads(projected) + weights.value.bias).view(batch, count, -1))


def _shared_to_tokens(weights: AttentionWeights, image: SharedImage, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from an image that is the same for all prompts to tokens (B, N, C). Returns the sum (B, S, C)."""
    batch, projected = len(keys), _by_head(weights.key(keys), weights.heads)  # (heads, B * N, c)
    scores = torch.bmm(projected, image.queries)  # (heads, B * N, S)
    return _add_attended(weights, image.tokens.expand(batch, -1, -1), _by_prompt(scores, batch), values)


def _images_to_tokens(
    weights: AttentionWeights, images: Tensor, queries: Tensor, keys: Tensor, values: Tensor
) -> Tensor:
    """Attend from each prompt's image (B, S, C) to its tokens (B, N, C). Returns the sum with the image."""
    heads, (batch, _, channels) = weights.heads, keys.shape
    projected = _by_head(weights.key(keys) / weights.scale, heads)  # (heads, B * N, c)
    folded = torch.bmm(projected, weights.query.weight.view(heads, -1, channels))  # (heads, B * N, C)
    bias = torch.bmm(projected, weights.query.bias.view(heads, -1, 1))  # (heads, B * N, 1)
    scores = torch.baddbmm(_by_prompt(bias, batch), _by_prompt(folded, batch), queries.mT)  # (B, heads * N, S)
    return _add_attended(weights, images, scores, values)


def _add_attended(weights: AttentionWeights, images: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    """Add to images (B, S, C) what they attend to, given the scores (B, heads * N, S) of the tokens (B, N, C)."""
    heads, (batch, count, _) = weights.heads, values.shape
    shares = torch.softmax(scores.view(batch, heads, count, -1), dim=2).flatten(1, 2)
    projected = _by_head(weights.value(values), heads)  # (heads, B * N, c)
    by_head = weights.out.weight.view(-1, heads, projected.shape[2]).permute(1, 2, 0)  # (heads, c, C)
    # for each image token, the shares of a head sum to one, so all heads together add the bias exactly once
    outputs = torch.bmm(projected, by_head) + weights.out.bias / heads  # (heads, B * N, C)
    return torch.baddbmm(images, shares.mT, _by_prompt(outputs, batch))


def _by_head(projected: Tensor, heads: int) -> Tensor:
    """View (..., heads * c) as (heads, rows, c)."""
    return projected.view(-1, heads, projected.shape[-1] // heads).transpose(0, 1)


def _join_heads(by_head: Tensor) -> Tensor:
    """Copy (heads, rows, c) to (rows, heads * c)."""
    return by_head.transpose(0, 1).flatten(1)


def _by_prompt(by_head: Tensor, batch: int) -> Tensor:
    """Copy (heads, B * N, k) to (B, heads * N, k)."""
    heads, rows, width = by_head.shape
    return by_head.view(heads, batch, rows // batch, width).transpose(0, 1).reshape(batch, -1, width)
