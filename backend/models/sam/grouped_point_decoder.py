"""SAM's mask decoder for many points on one image, each a separate prompt; what the points share is computed once.

The attention is rewritten as in `prompt_decoder`, here for B points at once. The image's tokens are the same for all
points until they attend to a point for the first time, at the end of the first layer. So the keys, values and queries
of the image in that layer are computed once. Masks are upscaled only for candidates that the caller chooses by score.

On a CPU a batch of a few points is fastest, because then its copies of the image tokens stay in the processor's cache.

Source: segment_anything.modeling.MaskDecoder, TwoWayTransformer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor

from backend.models.sam.mask_upscaler import MaskUpscaler


@dataclass(frozen=True)
class SharedImage:
    """What all points on one image share; c is the width of a head.

    Attributes:
        tokens: The image's tokens (S, C), float32.
        keys, values: Of the first attention from the points to the image: (heads, c, S) and (heads, S, c).
        queries: Of the first attention from the image to the points: (heads, c, S), divided by its scale.
    """

    tokens: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor


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
        self._prompt_encoder, self._decoder, self._transformer = model.prompt_encoder, decoder, decoder.transformer
        self._image_pe = _to_tokens(model.prompt_encoder.get_dense_pe())  # (S, C)
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
        image = _to_tokens(features) + self._prompt_encoder.no_mask_embed.weight
        with_pe = image + self._image_pe
        first = self._transformer.layers[0]
        to_image, to_tokens = first.cross_attn_token_to_image, first.cross_attn_image_to_token
        return SharedImage(
            image,
            keys=_by_head(to_image.k_proj(with_pe), to_image.num_heads).mT.contiguous(),
            values=_by_head(to_image.v_proj(image), to_image.num_heads).contiguous(),
            queries=(_by_head(to_tokens.q_proj(with_pe), to_tokens.num_heads) / _scale(to_tokens)).mT.contiguous(),
        )

    def decode(self, image: SharedImage, sparse: Tensor) -> DecodedPoints:
        """Run the transformer for points (B, 2, C) and predict the IoU of their three candidates."""
        tokens = torch.cat([self._output_tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        tokens, images = self._attend(tokens, image)
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

    def _attend(self, tokens: Tensor, shared: SharedImage) -> tuple[Tensor, Tensor]:
        """Run the two-way transformer, in which tokens (B, N, C) and images (B, S, C) attend to each other."""
        first, *later = self._transformer.layers
        queries = _attend_to_self(first, tokens, tokens)
        attended = _tokens_to_shared(first.cross_attn_token_to_image, queries + tokens, shared)
        queries = _add_and_feed_forward(first, queries, attended)
        images = _shared_to_tokens(first.cross_attn_image_to_token, shared, queries + tokens, queries)
        images = first.norm4(images)
        for layer in later:
            queries = _attend_to_self(layer, queries, tokens)
            with_pe = images + self._image_pe
            attended = _tokens_to_images(layer.cross_attn_token_to_image, queries + tokens, with_pe, images)
            queries = _add_and_feed_forward(layer, queries, attended)
            images = _images_to_tokens(layer.cross_attn_image_to_token, images, with_pe, queries + tokens, queries)
            images = layer.norm4(images)
        with_pe = images + self._image_pe
        attended = _tokens_to_images(self._transformer.final_attn_token_to_image, queries + tokens, with_pe, images)
        return self._transformer.norm_final_attn(queries + attended), images


def _attend_to_self(layer: TwoWayAttentionBlock, queries: Tensor, tokens: Tensor) -> Tensor:
    if layer.skip_first_layer_pe:
        return layer.norm1(layer.self_attn(q=queries, k=queries, v=queries))
    with_pe = queries + tokens
    return layer.norm1(queries + layer.self_attn(q=with_pe, k=with_pe, v=queries))


def _add_and_feed_forward(layer: TwoWayAttentionBlock, queries: Tensor, attended: Tensor) -> Tensor:
    queries = layer.norm2(queries + attended)
    return layer.norm3(queries + layer.mlp(queries))


def _tokens_to_shared(attention: Attention, tokens: Tensor, image: SharedImage) -> Tensor:
    """Attend from tokens (B, N, C) to an image that is the same for all points. Returns (B, N, C)."""
    queries = _by_head(attention.q_proj(tokens) / _scale(attention), attention.num_heads)  # (heads, B * N, c)
    attended = torch.bmm(torch.softmax(torch.bmm(queries, image.keys), dim=-1), image.values)
    return attention.out_proj(_join_heads(attended).view(*tokens.shape[:2], -1))


def _tokens_to_images(attention: Attention, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from tokens (B, N, C) to each point's own image, whose keys and values are (B, S, C).

    The keys' bias adds the same amount to all scores of a token, which does not change their softmax.
    """
    heads, (batch, count, channels) = attention.num_heads, tokens.shape
    queries = _by_head(attention.q_proj(tokens) / _scale(attention), heads)  # (heads, B * N, c)
    folded = torch.bmm(queries, attention.k_proj.weight.view(heads, -1, channels))  # (heads, B * N, C)
    scores = torch.bmm(_by_point(folded, batch), keys.mT)  # (B, heads * N, S)
    attended = torch.bmm(torch.softmax(scores, dim=-1), values)  # (B, heads * N, C)
    by_head = attended.view(batch, heads, count, channels).transpose(0, 1).reshape(heads, -1, channels)
    projected = torch.bmm(by_head, attention.v_proj.weight.view(heads, -1, channels).mT)  # (heads, B * N, c)
    return attention.out_proj((_join_heads(projected) + attention.v_proj.bias).view(batch, count, -1))


def _shared_to_tokens(attention: Attention, image: SharedImage, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from an image that is the same for all points to tokens (B, N, C). Returns the sum (B, S, C)."""
    batch, projected = len(keys), _by_head(attention.k_proj(keys), attention.num_heads)  # (heads, B * N, c)
    scores = torch.bmm(projected, image.queries)  # (heads, B * N, S)
    return _add_attended(attention, image.tokens.expand(batch, -1, -1), _by_point(scores, batch), values)


def _images_to_tokens(attention: Attention, images: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from each point's image (B, S, C) to its tokens (B, N, C). Returns the sum with the image."""
    heads, (batch, _, channels) = attention.num_heads, keys.shape
    projected = _by_head(attention.k_proj(keys) / _scale(attention), heads)  # (heads, B * N, c)
    folded = torch.bmm(projected, attention.q_proj.weight.view(heads, -1, channels))  # (heads, B * N, C)
    bias = torch.bmm(projected, attention.q_proj.bias.view(heads, -1, 1))  # (heads, B * N, 1)
    scores = torch.baddbmm(_by_point(bias, batch), _by_point(folded, batch), queries.mT)  # (B, heads * N, S)
    return _add_attended(attention, images, scores, values)


def _add_attended(attention: Attention, images: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    """Add to images (B, S, C) what they attend to, given the scores (B, heads * N, S) of the tokens (B, N, C)."""
    heads, (batch, count, _) = attention.num_heads, values.shape
    weights = torch.softmax(scores.view(batch, heads, count, -1), dim=2).flatten(1, 2)
    projected = _by_head(attention.v_proj(values), heads)  # (heads, B * N, c)
    by_head = attention.out_proj.weight.view(-1, heads, projected.shape[2]).permute(1, 2, 0)  # (heads, c, C)
    # for each image token, the weights of a head sum to one, so all heads together add the bias exactly once
    outputs = torch.bmm(projected, by_head) + attention.out_proj.bias / heads  # (heads, B * N, C)
    return torch.baddbmm(images, weights.mT, _by_point(outputs, batch))


def _to_tokens(grid: Tensor) -> Tensor:
    """Copy (1, C, side, side) to (S, C)."""
    return grid[0].flatten(1).T.contiguous()


def _by_head(projected: Tensor, heads: int) -> Tensor:
    """View (..., heads * c) as (heads, rows, c)."""
    return projected.view(-1, heads, projected.shape[-1] // heads).transpose(0, 1)


def _join_heads(by_head: Tensor) -> Tensor:
    """Copy (heads, rows, c) to (rows, heads * c)."""
    return by_head.transpose(0, 1).flatten(1)


def _by_point(by_head: Tensor, batch: int) -> Tensor:
    """Copy (heads, B * N, k) to (B, heads * N, k)."""
    heads, rows, width = by_head.shape
    return by_head.view(heads, batch, rows // batch, width).transpose(0, 1).reshape(batch, -1, width)


def _scale(attention: Attention) -> float:
    return float(attention.internal_dim // attention.num_heads) ** 0.5
