"""What goes into SAM 2's decoder and what comes out: arrays to features, prompts to tensors, logits to full-size masks.

Source: transformers.Sam2Model.forward, Sam2Processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backend.values import ImageEmbedding, Prompt, Size

IMAGE_EMBED, HIGH_RES_0, HIGH_RES_1 = "image_embed", "high_res_0", "high_res_1"
"""Names of the arrays in an embedding: (256, 64, 64), (32, 256, 256) and (64, 128, 128) for the published models."""
LEVELS = (HIGH_RES_0, HIGH_RES_1, IMAGE_EMBED)  # in the library's order, finest first
MASK_THRESHOLD = 0.0  # logit above which a pixel belongs to a mask
NO_POINT = -1  # label of padding, which is not a point


@dataclass(frozen=True)
class Features:
    """An embedding as the decoder reads it: float32 on the model's device, each with a batch dimension of 1.

    `image` includes the model's `no_memory_embedding`, which stands for an image that no other one precedes.
    """

    image: Tensor
    high_res: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TensorPrompts:
    """Prompts of N objects with P points each, in pixels of the squashed input.

    Attributes:
        points: (1, N, P, 2), or None.
        labels: int (1, N, P), or None.
        boxes: (1, N, 4), or None.
        masks: Logits (1, 1, M, M), or None.
    """

    points: Tensor | None
    labels: Tensor | None
    boxes: Tensor | None
    masks: Tensor | None


def features_of(model: Any, embedding: ImageEmbedding) -> Features:
    """Return an embedding, which is cached without `no_memory_embedding`, as the decoder's input."""
    # arrays from the cache are read-only, of which torch would warn at every click; a copy is writable
    finest, finer, image = (
        torch.from_numpy(embedding.arrays[name].copy()).to(model.device).float()[None] for name in LEVELS
    )
    return Features(image + model.no_memory_embedding.view(1, -1, 1, 1), (finest, finer))


def prompts_to_tensors(model: Any, size: Size, *prompts: Prompt) -> TensorPrompts:
    """Convert prompts in pixels of the original image to tensors on the model's device.

    Args:
        size: Of the original image.
        prompts: Of one object each, with equally many points, all with or all without a box; only a single prompt may
            have a mask.
    """
    scale = np.array([model.prompt_encoder.input_image_size]) / (size.width, size.height)
    points = labels = boxes = masks = None
    if prompts[0].point_coords:
        points = _to_float(model, np.array([prompt.point_coords for prompt in prompts]) * scale)
        labels = torch.tensor([[prompt.point_labels for prompt in prompts]], dtype=torch.int, device=model.device)
    if prompts[0].box_xyxy is not None:
        boxes = _to_float(model, np.array([prompt.box_xyxy for prompt in prompts]) * np.tile(scale, 2))
    if points is None and boxes is None:
        points = torch.zeros(1, len(prompts), 1, 2, device=model.device)
        labels = torch.full((1, len(prompts), 1), NO_POINT, dtype=torch.int, device=model.device)
    if prompts[0].mask_logits is not None:
        masks = torch.as_tensor(prompts[0].mask_logits, dtype=torch.float, device=model.device)[None]
    return TensorPrompts(points, labels, boxes, masks)


def enlarge(low_res_masks: Tensor, size: Size) -> Tensor:
    """Upscale logits (B, C, M, M) to the size of the original image, (B, C, H, W)."""
    return functional.interpolate(low_res_masks, (size.height, size.width), mode="bilinear", align_corners=False)


def cells_per_pixel(model: Any, size: Size) -> tuple[float, float]:
    """Return the columns and rows of the low-resolution masks for each pixel of the original image."""
    rows, columns = model.prompt_encoder.mask_input_size
    return columns / size.width, rows / size.height


def _to_float(model: Any, values: NDArray[np.float64]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float, device=model.device)[None]
