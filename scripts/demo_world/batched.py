"""SAM's forward pass for many images and prompts at once, and for windows of the canvas.

Gives the results of an unmodified Sam with the same parameters (a test compares them), but faster on a CPU: the
decoder's transposed convolutions do not overlap, so they are matrix products.

A window is a square of the canvas at a multiple of the patch size; it keeps its place in the position tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional

Offsets = Sequence[tuple[int, int]]  # (x, y) of each image's window on the canvas, in pixels


def encode(sam: Sam, images: Tensor, offsets: Offsets) -> Tensor:
    """Encode normalised images (B, 3, S, S) to embeddings (B, C, S / patch, S / patch)."""
    encoder = sam.image_encoder
    x = encoder.patch_embed(images)
    patch, grid = _patch_size(sam), x.shape[1]
    tables = [
        encoder.pos_embed[0, oy // patch : oy // patch + grid, ox // patch : ox // patch + grid] for ox, oy in offsets
    ]
    x = x + torch.stack(tables)
    for block in encoder.blocks:
        x = block(x)
    return encoder.neck(x.permute(0, 3, 1, 2))


def dense_positions(sam: Sam, offsets: Offsets, grid: int) -> Tensor:
    """Return the decoder's position encoding of each image's window, (B, C, grid, grid)."""
    table, patch = sam.prompt_encoder.get_dense_pe()[0], _patch_size(sam)
    return torch.stack(
        [table[:, oy // patch : oy // patch + grid, ox // patch : ox // patch + grid] for ox, oy in offsets]
    )


def embed_prompts(sam: Sam, coords: Tensor, labels: Tensor) -> Tensor:
    """Compute PromptEncoder's sparse embeddings (N, K, C) of points (N, K, 2) in pixels of the canvas.

    Labels (N, K): 1 foreground, 0 background, 2 and 3 the corners of a box, -1 padding.
    """
    encoder = sam.prompt_encoder
    position = encoder.pe_layer.forward_with_coords(coords + 0.5, encoder.input_image_size)
    weights = [encoder.not_a_point_embed.weight, *(e.weight for e in encoder.point_embeddings)]
    kind = torch.cat(weights)[labels + 1]
    return position * (labels >= 0)[..., None] + kind


def embed_masks(sam: Sam, logits: Tensor, use: Tensor) -> Tensor:
    """Embed previous masks (N, 1, 4g, 4g) as (N, C, g, g); where `use` (N,) is false, SAM's 'no mask'."""
    encoder = sam.prompt_encoder
    without = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    return torch.where(use[:, None, None, None], encoder.mask_downscaling(logits), without)


def decode(
    sam: Sam, embeddings: Tensor, positions: Tensor, sparse: Tensor, dense: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Decode four masks per prompt: logits (N, 4, 4g, 4g), predicted IoUs (N, 4). The first is the single-mask output.

    `embeddings` and `positions` are (N, C, g, g), one per prompt; `dense` None stands for 'no mask'.
    """
    decoder, grid = sam.mask_decoder, embeddings.shape[-1]
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(len(sparse), -1, -1), sparse], dim=1)
    if dense is None:
        dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    hidden, image = decoder.transformer(embeddings + dense, positions, tokens)
    kernels = [mlp(hidden[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)]
    logits = _upscale(decoder.output_upscaling, image, torch.stack(kernels, dim=1), grid)
    return logits.float(), decoder.iou_prediction_head(hidden[:, 0]).float()


def _upscale(upscaling: torch.nn.Sequential, image: Tensor, kernels: Tensor, grid: int) -> Tensor:
    """Compute `hyper_in @ output_upscaling(image)`, channels last: image (N, g * g, C), kernels (N, 4, c)."""
    first, norm, activation, second, last_activation = upscaling
    x = _double(first, image)  # (N, g * g, 4, C / 4)
    x = activation(functional.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps))
    x = last_activation(_double(second, x))  # (N, g * g, 4, 4, C / 8)
    count, channels = x.shape[0], x.shape[-1]
    masks = x.reshape(count, -1, channels) @ kernels.transpose(1, 2).to(x.dtype)
    masks = masks.reshape(count, grid, grid, 2, 2, 2, 2, -1)  # row, column, then y, x of each doubling
    return masks.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(count, -1, 4 * grid, 4 * grid)


def _double(layer: torch.nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Apply a 2 x 2 transposed convolution of stride 2 to (..., C): (..., 4, C'), where 4 is (y, x)."""
    weight = layer.weight.permute(2, 3, 1, 0).reshape(-1, layer.weight.shape[0])  # (2 * 2 * C', C)
    assert layer.bias is not None
    return functional.linear(x, weight, layer.bias.repeat(4)).unflatten(-1, (4, -1))


def _patch_size(sam: Sam) -> int:
    return int(sam.image_encoder.patch_embed.proj.kernel_size[0])
