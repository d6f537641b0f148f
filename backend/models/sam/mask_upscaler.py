"""The last step of SAM's mask decoder: image tokens to low-resolution logits, as plain matrix products.

A transposed convolution whose kernel is as wide as its stride is a single matrix product, so the tokens never become a
grid of channels.

Source: segment_anything.modeling.MaskDecoder.output_upscaling.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder
from torch import Tensor
from torch.nn import ConvTranspose2d, functional


class MaskUpscaler:
    """Upscaling layers of a mask decoder with frozen weights; S is `side` squared, M four times `side`."""

    def __init__(self, decoder: MaskDecoder, side: int) -> None:
        self._side = side
        first, norm, self._gelu, second, _ = decoder.output_upscaling
        self._first, self._second = _to_matrix(first), _to_matrix(second)
        self._norm = norm.weight, norm.bias, norm.eps

    def upscale(self, images: Tensor, kernels: Tensor) -> Tensor:
        """Upscale images (B, S, C) to four times their side, and multiply each by kernels (B, masks, C / 8).

        Returns:
            Logits (B, masks, S * 16), in the order of the tokens; `to_grid` turns them into masks.
        """
        weight, bias = self._first
        pixels = torch.addmm(bias, images.flatten(0, 1), weight).view(-1, self._norm[0].shape[0])  # (B * S * 4, C / 4)
        pixels = functional.layer_norm(pixels, pixels.shape[1:], *self._norm)
        weight, bias = self._second
        pixels = torch.addmm(bias, self._gelu(pixels), weight)
        pixels = self._gelu(pixels).view(len(images), 16 * images.shape[1], kernels.shape[2])
        return torch.bmm(kernels, pixels.mT)

    def to_grid(self, logits: Tensor) -> Tensor:
        """Rearrange logits (masks, S * 16) to (masks, M, M)."""
        # a pixel is indexed by (row, column) of its token, of its quarter of the token, and of its quarter of that
        parts = logits.view(-1, self._side, self._side, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
        return parts.reshape(-1, 4 * self._side, 4 * self._side)


def _to_matrix(convolution: ConvTranspose2d) -> tuple[Tensor, Tensor]:
    """Rewrite a 2 x 2 transposed convolution with stride 2 as a matrix (in, 4 * out) and a bias (4 * out,)."""
    assert convolution.bias is not None
    weight = convolution.weight.permute(0, 2, 3, 1).reshape(convolution.in_channels, -1)
    return weight.contiguous(), convolution.bias.repeat(4)
