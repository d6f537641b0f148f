"""SAM's mask decoder for one prompt, with its matrix products reordered: less than half the work, the same result.

`segment_anything`'s decoder projects all S tokens of the image (64 x 64 for SAM's own models) to keys and values,
copies them into heads, and upscales with transposed convolutions channel by channel. A prompt has only N tokens (5, and
one for each point or corner), so here the projections are applied to those instead. For head h, prompt tokens t and
image tokens x:

    t Wq (x Wk)'        =  (t Wq Wk') x'             scores (N, S) without projecting the image
    softmax(...) (x Wv) =  (softmax(...) x) Wv       values, likewise

Attention from the image to the tokens is rewritten in the same way with the roles exchanged. The image stays (S, C)
from the first layer to the last, so nothing is copied into heads. The scores depend on the tokens alone, so only the
requested masks are upscaled.

Every number is a sum of the same products as in the library. It differs by float32 rounding, about one part in a
million, as the library's own results do with another number of threads. The tests compare both.

Source: segment_anything.modeling.MaskDecoder, TwoWayTransformer.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor

from backend.models.sam.mask_upscaler import MaskUpscaler
from backend.models.sam.steps import features_of
from backend.runtime import LeastRecentlyUsed
from backend.values import ImageEmbedding

MAX_IMAGES = 4  # whose tokens are cached; 4 MB each for SAM's own models


class PromptDecoder:
    """Mask decoder of a model with frozen weights. Thread-safe.

    The last few images are cached as float32 tokens on the model's device, so that the next click copies nothing.
    """

    def __init__(self, model: Sam) -> None:
        decoder = model.mask_decoder
        self._model, self._decoder, self._transformer = model, decoder, decoder.transformer
        self._image_pe = _to_tokens(model.prompt_encoder.get_dense_pe())  # (S, C)
        self._images = LeastRecentlyUsed[int, tuple[ImageEmbedding, Tensor]](MAX_IMAGES)
        self._upscaler = MaskUpscaler(decoder, model.prompt_encoder.image_embedding_size[0])
        self._output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])

    def decode(
        self, embedding: ImageEmbedding, sparse: Tensor, dense: Tensor | None, *, multimask: bool, max_masks: int | None
    ) -> tuple[Tensor, Tensor]:
        """Decode one prompt into low-resolution logits and predicted IoU, best mask first.

        Args:
            embedding: Embedding of the image.
            sparse: Embeddings of the prompt's points and corners, (P, C).
            dense: Embedding of the prompt's mask, (1, C, side, side); None for a prompt without one.
            multimask: Whether to decode three candidates instead of the single one for unambiguous prompts.
            max_masks: Number of the best masks to upscale; None for all.

        Returns:
            Logits (masks, M, M) and scores (masks,).
        """
        mask = self._model.prompt_encoder.no_mask_embed.weight if dense is None else _to_tokens(dense)
        tokens = torch.cat([self._output_tokens, sparse])
        tokens, image = self._attend(tokens, self._image_tokens(embedding) + mask)
        kinds = range(1, self._decoder.num_mask_tokens) if multimask else range(1)
        scores = self._decoder.iou_prediction_head(tokens[:1])[0, kinds.start : kinds.stop]
        best = torch.argsort(scores, descending=True)[:max_masks]
        networks = self._decoder.output_hypernetworks_mlps
        chosen = [kinds[index] for index in best.tolist()]
        kernels = torch.stack([networks[kind](tokens[1 + kind]) for kind in chosen])  # (masks, C / 8)
        return self._upscaler.to_grid(self._upscaler.upscale(image[None], kernels[None])[0]), scores[best]

    def _image_tokens(self, embedding: ImageEmbedding) -> Tensor:
        """Return the features as float32 (S, C) on the model's device; those of the last few images are cached."""
        key = id(embedding)  # the cache keeps the object alive, so no other one gets its id
        cached = self._images.get(key)
        if cached is not None:
            return cached[1]
        tokens = _to_tokens(features_of(self._model, embedding))
        self._images.put(key, (embedding, tokens))
        return tokens

    def _attend(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Run the two-way transformer, in which tokens (N, C) and image (S, C) attend to each other."""
        queries, with_pe = tokens, image + self._image_pe
        for layer in self._transformer.layers:
            queries = _attend_to_self(layer, queries, tokens)
            attended = _tokens_to_image(layer.cross_attn_token_to_image, queries + tokens, with_pe, image)
            queries = layer.norm2(queries + attended)
            queries = layer.norm3(queries + layer.mlp(queries))
            image = _image_to_tokens(layer.cross_attn_image_to_token, image, with_pe, queries + tokens, queries)
            image = layer.norm4(image)
            with_pe = image + self._image_pe
        attended = _tokens_to_image(self._transformer.final_attn_token_to_image, queries + tokens, with_pe, image)
        return self._transformer.norm_final_attn(queries + attended), image


def _to_tokens(grid: Tensor) -> Tensor:
    """Copy (1, C, side, side) to (S, C)."""
    return grid[0].flatten(1).T.contiguous()


def _attend_to_self(layer: TwoWayAttentionBlock, queries: Tensor, tokens: Tensor) -> Tensor:
    batch = queries[None]
    if layer.skip_first_layer_pe:
        return layer.norm1(layer.self_attn(q=batch, k=batch, v=batch)[0])
    with_pe = batch + tokens
    return layer.norm1(queries + layer.self_attn(q=with_pe, k=with_pe, v=batch)[0])


def _tokens_to_image(attention: Attention, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from tokens (N, C) to the image, whose keys and values are (S, C). Returns (N, C).

    The keys' bias adds the same amount to all scores of a token, which does not change their softmax.
    """
    heads, count = attention.num_heads, len(tokens)
    queries = _by_head(attention.q_proj(tokens), heads) / _scale(attention)  # (heads, N, c)
    folded = queries @ attention.k_proj.weight.view(heads, -1, keys.shape[1])  # (heads, N, C)
    attended = torch.softmax(folded.flatten(0, 1) @ keys.T, dim=-1) @ values  # (heads * N, C)
    projected = attended.view(heads, count, -1) @ attention.v_proj.weight.view(heads, -1, values.shape[1]).mT
    return attention.out_proj(projected.transpose(0, 1).reshape(count, -1) + attention.v_proj.bias)


def _image_to_tokens(attention: Attention, image: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend from the image (S, C) to tokens, whose keys and values are (N, C). Returns the sum with the image."""
    heads, count = attention.num_heads, len(keys)
    keys = _by_head(attention.k_proj(keys), heads) / _scale(attention)  # (heads, N, c)
    folded = keys @ attention.q_proj.weight.view(heads, -1, queries.shape[1])  # (heads, N, C)
    bias = keys @ attention.q_proj.bias.view(heads, -1, 1)  # (heads, N, 1)
    scores = torch.addmm(bias.view(-1, 1), folded.flatten(0, 1), queries.T)  # (heads * N, S)
    weights = torch.softmax(scores.view(heads, count, -1), dim=1).flatten(0, 1)
    projected = _by_head(attention.v_proj(values), heads)  # (heads, N, c)
    by_head = attention.out_proj.weight.view(-1, heads, projected.shape[2]).permute(1, 2, 0)  # (heads, c, C)
    # for each image token, the weights of a head sum to one, so all heads together add the bias exactly once
    outputs = projected @ by_head + attention.out_proj.bias / heads
    return torch.addmm(image, weights.T, outputs.flatten(0, 1))


def _by_head(projected: Tensor, heads: int) -> Tensor:
    return projected.view(len(projected), heads, -1).transpose(0, 1)


def _scale(attention: Attention) -> float:
    return float(attention.internal_dim // attention.num_heads) ** 0.5
