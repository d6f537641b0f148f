"""What goes into SAM's decoder and what comes out: embedding to features, low-resolution masks to full-size masks.

Source: segment_anything.SamPredictor.predict_torch.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam

from backend.values import ImageEmbedding

FAMILY = "sam1"  # family name in the embeddings of SAM's first release
IMAGE_EMBED = "image_embed"  # name of the only array of an embedding


def features_of(model: Sam, embedding: ImageEmbedding) -> torch.Tensor:
    """Return the embedding as the decoder's input: float32 (1, C, S, S) on the model's device."""
    # arrays from the cache are read-only, of which torch would warn at every click; a copy is writable
    return torch.from_numpy(embedding.arrays[IMAGE_EMBED].copy()).to(model.device).float()[None]


def enlarge(model: Sam, low_res_masks: torch.Tensor, embedding: ImageEmbedding) -> torch.Tensor:
    """Upscale logits to (B, C, H, W), the size of the original image."""
    size, input_size = embedding.original_size, embedding.input_size
    return model.postprocess_masks(low_res_masks, (input_size.height, input_size.width), (size.height, size.width))
