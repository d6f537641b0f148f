"""SAM's mask decoder for one prompt, with the sums in another order: less than half the work, the same answer.

`segment_anything`'s decoder projects all S tokens of the image (64 x 64 for SAM's own models) to keys and values,
copies them into heads, and upscales with transposed convolutions channel by channel. A prompt has only N tokens (5 and
one for each point or corner), so here the projections are applied to those instead; for head h, with tokens t and
image x

    t Wq (x Wk)'        =  (t Wq Wk') x'             scores (N, S) without projecting the image
    softmax(...) (x Wv) =  (softmax(...) x) Wv       values, likewise

and for the way from the image to the tokens the same with the roles exchanged. The image stays (S, C) from the first
layer to the last, so nothing is copied into heads, and a transposed convolution whose kernel is as wide as its stride
is one product of matrices. Which mask is best follows from the tokens alone, so only the wanted ones are upscaled.

Every number is the sum of the same products as in the library; float32 rounds it differently by about one part in a
million, as it does for the library itself on another number of threads. The tests compare both.

Source: segment_anything.modeling.MaskDecoder, TwoWayTransformer.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor
from torch.nn import ConvTranspose2d, functional

from backend.models.sam.steps import features_of
from backend.runtime import LeastRecentlyUsed
from backend.values import ImageEmbedding

MOST_IMAGES = 4  # whose tokens are kept; 4 MB each for SAM's own models


class PromptDecoder:
    """The decoder of a model whose weights stay as they are. Safe to share between threads.

    It keeps the last few images as float32 tokens on the model's device, so that the next click copies nothing.
    """

    def __init__(self, model: Sam) -> None:
        decoder = model.mask_decoder
        self._model, self._decoder, self._transformer = model, decoder, decoder.transformer
        self._side = model.prompt_encoder.image_embedding_size[0]
        self._image_pe = _to_tokens(model.prompt_encoder.get_dense_pe())  # (S, C)
        self._images = LeastRecentlyUsed[int, tuple[ImageEmbedding, Tensor]](MOST_IMAGES)
        first, norm, self._gelu, second, _ = decoder.output_upscaling
        self._first, self._second = _as_product(first), _as_product(second)
        self._norm = norm.weight, norm.bias, norm.eps
        self._output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])

    def decode(
        self, embedding: ImageEmbedding, sparse: Tensor, dense: Tensor | None, *, multimask: bool, max_masks: int | None
    ) -> tuple[Tensor, Tensor]:
        """Low-resolution logits and predicted IoU of the best masks, best first.

        Args:
            embedding: Of the image.
            sparse: Embeddings of the prompt's points and corners, (P, C).
            dense: Embedding of its mask, (1, C, side, side); None for a prompt without one.
            multimask: Three candidates, or the one for unambiguous prompts.
            max_masks: Only the best so many; None for all.

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
        return self._upscale(image, kernels), scores[best]

    def _image_tokens(self, embedding: ImageEmbedding) -> Tensor:
        """The features as (S, C) in float32 on the model's device, made once while clicks stay on a few images."""
        name = id(embedding)  # of an object that is kept, so nothing else gets its id
        kept = self._images.get(name)
        if kept is not None:
            return kept[1]
        tokens = _to_tokens(features_of(self._model, embedding))
        self._images.put(name, (embedding, tokens))
        return tokens

    def _attend(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """The two-way transformer: tokens (N, C) and image (S, C), both looking at each other."""
        queries, with_pe = tokens, image + self._image_pe
        for layer in self._transformer.layers:
            queries = _attend_to_self(layer, queries, tokens)
            asked = _tokens_to_image(layer.cross_attn_token_to_image, queries + tokens, with_pe, image)
            queries = layer.norm2(queries + asked)
            queries = layer.norm3(queries + layer.mlp(queries))
            image = _image_to_tokens(layer.cross_attn_image_to_token, image, with_pe, queries + tokens, queries)
            image = layer.norm4(image)
            with_pe = image + self._image_pe
        asked = _tokens_to_image(self._transformer.final_attn_token_to_image, queries + tokens, with_pe, image)
        return self._transformer.norm_final_attn(queries + asked), image

    def _upscale(self, image: Tensor, kernels: Tensor) -> Tensor:
        """Image (S, C) to four times the side, and there the product with each mask's kernel: (masks, M, M)."""
        weight, bias = self._first
        pixels = torch.addmm(bias, image, weight).view(-1, self._norm[0].shape[0])  # (S * 4, C / 4)
        pixels = functional.layer_norm(pixels, pixels.shape[1:], *self._norm)
        weight, bias = self._second
        pixels = torch.addmm(bias, self._gelu(pixels), weight).view(-1, kernels.shape[1])  # (S * 16, C / 8)
        logits = kernels @ self._gelu(pixels).T
        # a pixel is (row, column) of the token, of the quarter in it, and of the quarter in that
        parts = logits.view(-1, self._side, self._side, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
        return parts.reshape(-1, 4 * self._side, 4 * self._side)


def _to_tokens(grid: Tensor) -> Tensor:
    """(1, C, side, side) to (S, C), which is a copy."""
    return grid[0].flatten(1).T.contiguous()


def _attend_to_self(layer: TwoWayAttentionBlock, queries: Tensor, tokens: Tensor) -> Tensor:
    asking = queries[None]
    if layer.skip_first_layer_pe:
        return layer.norm1(layer.self_attn(q=asking, k=asking, v=asking)[0])
    placed = asking + tokens
    return layer.norm1(queries + layer.self_attn(q=placed, k=placed, v=asking)[0])


def _tokens_to_image(attention: Attention, asking: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What tokens (N, C) find in the image: keys and values (S, C). Returns (N, C).

    The bias of the keys adds the same to all scores of a token, which a softmax does not see.
    """
    heads, count = attention.num_heads, len(asking)
    queries = _by_head(attention.q_proj(asking), heads) / _scale(attention)  # (heads, N, c)
    folded = queries @ attention.k_proj.weight.view(heads, -1, keys.shape[1])  # (heads, N, C)
    attended = torch.softmax(folded.flatten(0, 1) @ keys.T, dim=-1) @ values  # (heads * N, C)
    projected = attended.view(heads, count, -1) @ attention.v_proj.weight.view(heads, -1, values.shape[1]).mT
    return attention.out_proj(projected.transpose(0, 1).reshape(count, -1) + attention.v_proj.bias)


def _image_to_tokens(attention: Attention, image: Tensor, asking: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The image (S, C) and, added to it, what it finds in the tokens: keys and values (N, C)."""
    heads, count = attention.num_heads, len(keys)
    keys = _by_head(attention.k_proj(keys), heads) / _scale(attention)  # (heads, N, c)
    folded = keys @ attention.q_proj.weight.view(heads, -1, asking.shape[1])  # (heads, N, C)
    bias = keys @ attention.q_proj.bias.view(heads, -1, 1)  # (heads, N, 1)
    scores = torch.addmm(bias.view(-1, 1), folded.flatten(0, 1), asking.T)  # (heads * N, S)
    weights = torch.softmax(scores.view(heads, count, -1), dim=1).flatten(0, 1)
    found = _by_head(attention.v_proj(values), heads)  # (heads, N, c)
    by_head = attention.out_proj.weight.view(-1, heads, found.shape[2]).permute(1, 2, 0)  # (heads, c, C)
    # a token's weights sum up to one in each head, so the bias comes in whole
    answers = found @ by_head + attention.out_proj.bias / heads
    return torch.addmm(image, weights.T, answers.flatten(0, 1))


def _by_head(projected: Tensor, heads: int) -> Tensor:
    return projected.view(len(projected), heads, -1).transpose(0, 1)


def _scale(attention: Attention) -> float:
    return float(attention.internal_dim // attention.num_heads) ** 0.5


def _as_product(convolution: ConvTranspose2d) -> tuple[Tensor, Tensor]:
    """A transposed convolution of 2 x 2 in steps of 2 as a matrix (in, 4 * out) and a bias (4 * out,)."""
    assert convolution.bias is not None
    weight = convolution.weight.permute(0, 2, 3, 1).reshape(convolution.in_channels, -1)
    return weight.contiguous(), convolution.bias.repeat(4)
