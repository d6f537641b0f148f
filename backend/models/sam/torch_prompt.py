"""A prompt as SAM's prompt encoder takes it."""

from __future__ import annotations

import numpy as np
import torch
from segment_anything.modeling import Sam

from backend.models.sam.resize import ResizeToInput
from backend.values import ImageEmbedding, Prompt

TorchPrompt = tuple[tuple[torch.Tensor, torch.Tensor] | None, torch.Tensor | None, torch.Tensor | None]
"""Points (1, P, 2) with their labels (1, P), boxes (1, 4) and masks (1, 1, M, M)."""


def prompt_to_torch(model: Sam, embedding: ImageEmbedding, prompt: Prompt) -> TorchPrompt:
    """Convert a prompt in pixels of the original image to tensors in pixels of the model's input, on its device."""
    transform = ResizeToInput(model.image_encoder.img_size)
    original = (embedding.original_size.height, embedding.original_size.width)
    points = boxes = masks = None
    if prompt.point_coords:
        coords = transform.apply_coords(np.array(prompt.point_coords), original)
        labels = torch.as_tensor(prompt.point_labels, dtype=torch.int, device=model.device)
        points = torch.as_tensor(coords, dtype=torch.float, device=model.device)[None], labels[None]
    if prompt.box_xyxy is not None:
        box = transform.apply_boxes(np.array(prompt.box_xyxy), original)
        boxes = torch.as_tensor(box, dtype=torch.float, device=model.device)
    if prompt.mask_logits is not None:
        masks = torch.as_tensor(prompt.mask_logits, dtype=torch.float, device=model.device)[None]
    return points, boxes, masks
