"""SAM 2's prompt encoder and mask decoder on an image's cached features.

The library's own call computes the position encoding of the image, and upscales all candidates to the original size, at
every click. Here the encoding is computed once, and the last few images' features are kept on the device.

Source: transformers.Sam2Model.forward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backend.models.transformers_sam.steps import Features, TensorPrompts, features_of
from backend.runtime import LeastRecentlyUsed
from backend.values import ImageEmbedding

MAX_IMAGES = 4  # whose features are cached on the device; 17 MB each for the published models


class PromptDecoder:
    """Mask decoder of a Sam2Model or EdgeTamModel with frozen weights. Thread-safe."""

    @torch.inference_mode()
    def __init__(self, model: Any) -> None:
        self._model = model
        self._image_pe = model.get_image_wide_positional_embeddings()  # (1, C, S, S)
        self._images = LeastRecentlyUsed[int, tuple[ImageEmbedding, Features]](MAX_IMAGES)

    def features(self, embedding: ImageEmbedding) -> Features:
        """Return the features on the model's device; those of the last few images are cached."""
        key = id(embedding)  # the cache keeps the object alive, so no other one gets its id
        cached = self._images.get(key)
        if cached is not None:
            return cached[1]
        features = features_of(self._model, embedding)
        self._images.put(key, (embedding, features))
        return features

    def decode(self, embedding: ImageEmbedding, prompts: TensorPrompts, *, multimask: bool) -> tuple[Tensor, Tensor]:
        """Decode prompts of N objects into low-resolution logits and predicted IoU.

        Args:
            multimask: Whether to decode three candidates instead of one. The one is the best of the three where the
                decoder's mask for unambiguous prompts is not stable.

        Returns:
            Logits (N, candidates, M, M) and scores (N, candidates).
        """
        features = self.features(embedding)
        sparse, dense = self._model.prompt_encoder(prompts.points, prompts.labels, prompts.boxes, prompts.masks)
        logits, scores, _, _ = self._model.mask_decoder(
            image_embeddings=features.image,
            image_positional_embeddings=self._image_pe,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=list(features.high_res),
        )
        return logits[0], scores[0]
