"""A second implementation of MobileSAM's image encoder, from a state dict with the published names.

It uses torch's functions alone and goes window by window and head by head, so it checks the map of the names, the
strides, the padding of the windows and the attention biases of the first implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.sam.tiny_vit import TinyVitSizes

STRIDES = (2, 2, 1)  # of the downsampling after the first three of the four layers


@dataclass(frozen=True)
class PublishedTinyViT:
    """The encoder of a state dict whose names begin with "image_encoder."."""

    state: Mapping[str, Tensor]
    sizes: TinyVitSizes

    def encode(self, images: Tensor) -> Tensor:
        """Encode images (B, 3, L, L) to features (B, C, L / 16, L / 16)."""
        x = functional.gelu(self._convolve("patch_embed.seq.0", images, stride=2, padding=1))
        x = self._convolve("patch_embed.seq.2", x, stride=2, padding=1)
        for layer, depth in enumerate(self.sizes.depths):
            for block in range(depth):
                name = f"layers.{layer}.blocks.{block}"
                x = self._attention_block(name, x, layer) if layer else self._convolution_block(name, x)
            if layer < 3:
                x = self._downsample(f"layers.{layer}.downsample", x, STRIDES[layer])
        for at, padding in ((0, 0), (2, 1)):
            x = functional.conv2d(x, self._get(f"neck.{at}.weight"), padding=padding)
            weight, bias = self._get(f"neck.{at + 1}.weight"), self._get(f"neck.{at + 1}.bias")
            x = functional.layer_norm(x.movedim(1, -1), weight.shape, weight, bias, 1e-6).movedim(-1, 1)
        return x

    def _get(self, name: str) -> Tensor:
        return self.state[f"image_encoder.{name}"]

    def _convolve(self, name: str, x: Tensor, **options: int) -> Tensor:
        """Convolve without a bias, and apply the statistics of a batch normalization."""
        x = functional.conv2d(x, self._get(f"{name}.c.weight"), **options)
        of = [self._get(f"{name}.bn.{part}") for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *of)

    def _convolution_block(self, name: str, x: Tensor) -> Tensor:
        wide = functional.gelu(self._convolve(f"{name}.conv1", x))
        wide = functional.gelu(self._convolve(f"{name}.conv2", wide, padding=1, groups=wide.shape[1]))
        return functional.gelu(x + self._convolve(f"{name}.conv3", wide))

    def _downsample(self, name: str, x: Tensor, stride: int) -> Tensor:
        x = functional.gelu(self._convolve(f"{name}.conv1", x))
        x = functional.gelu(self._convolve(f"{name}.conv2", x, stride=stride, padding=1, groups=x.shape[1]))
        return self._convolve(f"{name}.conv3", x)

    def _attention_block(self, name: str, x: Tensor, layer: int) -> Tensor:
        x = x + self._attend_in_windows(f"{name}.attn", x, layer)
        x = self._convolve(f"{name}.local_conv", x, padding=1, groups=x.shape[1]).movedim(1, -1)
        hidden = functional.gelu(self._project(f"{name}.mlp.fc1", self._normalize(f"{name}.mlp.norm", x)))
        return (x + self._project(f"{name}.mlp.fc2", hidden)).movedim(-1, 1)

    def _attend_in_windows(self, name: str, x: Tensor, layer: int) -> Tensor:
        side, (height, width) = self.sizes.window_sizes[layer], x.shape[2:]
        padded = functional.pad(x, (0, -width % side, 0, -height % side)).movedim(1, -1)
        attended = torch.zeros_like(padded)
        for top, left in product(range(0, height, side), range(0, width, side)):
            window = padded[:, top : top + side, left : left + side].flatten(1, 2)
            result = self._attend(name, window, self.sizes.num_heads[layer], side)
            attended[:, top : top + side, left : left + side] = result.unflatten(1, (side, side))
        return attended[:, :height, :width].movedim(-1, 1)

    def _attend(self, name: str, tokens: Tensor, heads: int, side: int) -> Tensor:
        """Attend in a window (B, side * side, C); a bias belongs to each distance in rows and columns."""
        rows, columns = (torch.arange(side * side) // side), (torch.arange(side * side) % side)
        distances = (rows[:, None] - rows).abs() * side + (columns[:, None] - columns).abs()
        width = tokens.shape[2] // heads
        projected = self._project(f"{name}.qkv", self._normalize(f"{name}.norm", tokens))
        outputs = []
        for head, of_head in enumerate(projected.split(3 * width, dim=2)):
            queries, keys, values = of_head.split(width, dim=2)
            scores = queries @ keys.mT / width**0.5 + self._get(f"{name}.attention_biases")[head][distances]
            outputs.append(scores.softmax(dim=-1) @ values)
        return self._project(f"{name}.proj", torch.cat(outputs, dim=2))

    def _project(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(x, self._get(f"{name}.weight"), self._get(f"{name}.bias"))

    def _normalize(self, name: str, x: Tensor) -> Tensor:
        weight = self._get(f"{name}.weight")
        return functional.layer_norm(x, weight.shape, weight, self._get(f"{name}.bias"))
