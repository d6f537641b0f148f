"""SAM 2's decoder for clicks: prompts on an embedding to low-resolution logits.

What does not depend on the prompt is computed once for the model (the position encoding of the image, which the
library's own call computes at every click) or once for an image (see `mask_decoder`), and kept for the last few images.

Source: transformers.Sam2Model.forward.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from backend.models.transformers_sam.mask_decoder import DecoderImage, MaskDecoder
from backend.models.transformers_sam.steps import TensorPrompts, features_of
from backend.runtime import LeastRecentlyUsed
from backend.values import ImageEmbedding

MAX_IMAGES = 4  # whose features are cached on the device; 27 MB each for the published models


class PromptDecoder:
    """Mask decoder of a Sam2Model or EdgeTamModel with frozen weights. Thread-safe."""

    def __init__(self, model: Any) -> None:
        self._model, self._decoder = model, MaskDecoder(model)
        self._images = LeastRecentlyUsed[int, tuple[ImageEmbedding, DecoderImage]](MAX_IMAGES)

    def decode(self, embedding: ImageEmbedding, prompts: TensorPrompts, *, multimask: bool) -> tuple[Tensor, Tensor]:
        """Decode prompts of N objects into low-resolution logits and predicted IoU.

        Args:
            multimask: Whether to decode three candidates instead of one. The one is the best of the three where the
                decoder's mask for unambiguous prompts is not stable.

        Returns:
            Logits (N, candidates, M, M) and scores (N, candidates).
        """
        sparse, dense = self._model.prompt_encoder(prompts.points, prompts.labels, prompts.boxes, prompts.masks)
        image = self._open_image(embedding)
        decoded = self._decoder.decode(image, sparse[0], None if prompts.masks is None else dense)
        logits = self._decoder.upscale(image, decoded)
        if multimask:
            return logits[:, 1:], decoded.scores[:, 1:]
        return self._decoder.pick_single(logits, decoded.scores)

    def _open_image(self, embedding: ImageEmbedding) -> DecoderImage:
        """Return an image on the model's device; the last few are cached."""
        key = id(embedding)  # the cache keeps the object alive, so no other one gets its id
        cached = self._images.get(key)
        if cached is not None:
            return cached[1]
        image = self._decoder.open_image(features_of(self._model, embedding))
        self._images.put(key, (embedding, image))
        return image
