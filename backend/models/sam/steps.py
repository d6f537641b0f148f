"""SAM's decoder in three pure steps: embedding to features, to low-resolution masks, to full-size masks.

Source: segment_anything.SamPredictor.predict_torch, which runs all three for every mask.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam

from backend.values import ImageEmbedding

FAMILY = "sam1"  # family name in SAM 1's embeddings
IMAGE_EMBED = "image_embed"  # name of their only array


def features_of(model: Sam, embedding: ImageEmbedding) -> torch.Tensor:
    """Return the embedding as the decoder's input: float32 (1, C, S, S) on the model's device."""
    # arrays from the cache are read-only, of which torch would warn at every click; a copy is writable
    return torch.from_numpy(embedding.arrays[IMAGE_EMBED].copy()).to(model.device).float()[None]


def predict_low_res(
    model: Sam, features: torch.Tensor, coords: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decode points on one image, each as a separate prompt with three candidates.

    Args:
        features: From `features_of`.
        coords: (B, 1, 2) in pixels of the model's input.
        labels: (B, 1).

    Returns:
        Low-resolution logits (B, 3, M, M) and predicted IoU (B, 3).
    """
    sparse, dense = model.prompt_encoder(points=(coords, labels), boxes=None, masks=None)
    masks_and_scores: tuple[torch.Tensor, torch.Tensor] = model.mask_decoder(
        image_embeddings=features,
        image_pe=model.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    return masks_and_scores


def enlarge(model: Sam, low_res_masks: torch.Tensor, embedding: ImageEmbedding) -> torch.Tensor:
    """Upscale logits to (B, C, H, W), the size of the original image."""
    size, input_size = embedding.original_size, embedding.input_size
    return model.postprocess_masks(low_res_masks, (input_size.height, input_size.width), (size.height, size.width))
