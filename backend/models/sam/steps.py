"""SAM's decoder in three steps, each a function of its arguments: features, low-resolution masks, full-size masks.

Source: segment_anything.SamPredictor.predict_torch, which does all three for every mask.
"""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import Sam

from backend.values import ImageEmbedding

FAMILY = "sam1"  # of every embedding of SAM 1
IMAGE_EMBED = "image_embed"  # name of its only array


def features_of(model: Sam, embedding: ImageEmbedding) -> Any:
    """The embedding as the decoder reads it: float32 (1, C, S, S) on the model's device."""
    # numpy's own copy is writable, which an entry of the cache is not; torch would warn of it at every click
    return torch.from_numpy(embedding.arrays[IMAGE_EMBED].copy()).to(model.device).float()[None]


def predict_low_res(model: Sam, features: Any, points: Any, boxes: Any, masks: Any, multimask: bool) -> tuple[Any, Any]:
    """Low-resolution logits (B, C, M, M) and predicted IoU (B, C) for B prompts on one image."""
    sparse, dense = model.prompt_encoder(points=points, boxes=boxes, masks=masks)
    answer: tuple[Any, Any] = model.mask_decoder(
        image_embeddings=features,
        image_pe=model.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
    )
    return answer


def enlarge(model: Sam, low_res_masks: Any, embedding: ImageEmbedding) -> Any:
    """Logits (B, C, H, W) at the size of the original image."""
    size, input_size = embedding.original_size, embedding.input_size
    return model.postprocess_masks(low_res_masks, (input_size.height, input_size.width), (size.height, size.width))
