"""MobileSAM's image encoder: timm's TinyViT without its classifier, with SAM's neck on top.

TinyViT halves the resolution three times after its patch embedding, to 32 pixels a cell. MobileSAM leaves out the last
halving, so that the embedding has SAM's 16 pixels a cell.

Source: https://github.com/ChaoningZhang/MobileSAM; TinyViT: https://arxiv.org/abs/2207.10666.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import TinyVit

PIXELS_PER_CELL = 16


@dataclass(frozen=True)
class TinyVitSizes:
    """Channels, blocks, attention heads and window side (in cells) of each of the four stages.

    The first stage is convolutional, so its heads and its window are not used.
    """

    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_sizes: tuple[int, ...]


TINY_VIT_5M = TinyVitSizes((64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7))


class TinyVitEncoder(torch.nn.Module):
    """TinyViT that maps images (B, 3, `img_size`, `img_size`) to features (B, `out_chans`, S, S), S = `img_size` / 16.

    Its parameters have timm's names; `mobile_sam` maps them to those of the published file.
    """

    def __init__(self, sizes: TinyVitSizes, *, img_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = img_size  # which Sam and SamPredictor read
        vit = TinyVit(
            num_classes=0,
            embed_dims=sizes.embed_dims,
            depths=sizes.depths,
            num_heads=sizes.num_heads,
            window_sizes=sizes.window_sizes,
            drop_path_rate=0.0,
        )
        last: Any = vit.stages[-1]
        last.downsample.conv2.conv.stride = (1, 1)
        self.patch_embed, self.stages = vit.patch_embed, vit.stages
        self.neck = torch.nn.Sequential(
            torch.nn.Conv2d(sizes.embed_dims[-1], out_chans, kernel_size=1, bias=False),
            LayerNorm2d(out_chans),
            torch.nn.Conv2d(out_chans, out_chans, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.neck(self.stages(self.patch_embed(images)))
        return features
