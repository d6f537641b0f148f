"""An image as SAM 2 reads it: squashed to a square, normalised with ImageNet's statistics.

Unlike SAM 1, which scales the longer side and pads, SAM 2 scales width and height separately. A point (x, y) of an
image of W x H pixels is at (x * side / W, y * side / H) of the input: (200, 100) of 800 x 400 is at (256, 256) of 1024.

Source: transformers.Sam2ImageProcessor, with the same resize of uint8 pixels; the tests compare both.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from backend.values import Pixels

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def squash(pixels: Pixels, side: int) -> Tensor:
    """Resize RGB pixels (H, W, 3) to uint8 (1, 3, side, side), with antialiasing where it shrinks."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()  # pixels may be read-only
    squashed: Tensor = functional.resize(image, [side, side], antialias=True)
    return squashed[None]


def normalize(squashed: Tensor) -> Tensor:
    """Convert uint8 (B, 3, side, side) to the encoder's float32 input, on the same device."""
    mean, std = (torch.tensor(values, device=squashed.device).view(3, 1, 1) * 255 for values in (_MEAN, _STD))
    return (squashed.float() - mean) / std
