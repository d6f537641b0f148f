"""Automatic masks with SAM 2.1 and EdgeTAM.

The input is squashed to a square, so the grid of points covers it whole, and the rows and the columns of a mask are
resized to the original image in one step each. The object score, which says whether there is an object at a prompt at
all, is not used: `Sam2Model` returns it beside its masks, and only the video model empties masks by it.

Source: transformers.Sam2Model.forward, segment_anything.SamAutomaticMaskGenerator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backend.models.automatic_masks.generator import DecodePoints, Encode, MaskGenerator
from backend.models.automatic_masks.mask_axis import MaskAxis
from backend.models.transformers_sam.steps import MASK_THRESHOLD, enlarge, features_of
from backend.values import ImageEmbedding


class AutomaticMasks(MaskGenerator):
    """Automatic masks of a Sam2Model or EdgeTamModel with frozen weights. Thread-safe, keeps nothing of an image.

    Args:
        encode: Image encoder for crops.
    """

    def __init__(self, model: Any, encode: Encode) -> None:
        super().__init__(Sam2PointDecoder(model), encode)


class Sam2PointDecoder:
    """SAM 2's decoder as a `PointDecoder`."""

    mask_threshold = MASK_THRESHOLD

    @torch.inference_mode()
    def __init__(self, model: Any) -> None:
        self._model = model
        self._image_pe = model.get_image_wide_positional_embeddings()  # (1, C, S, S)
        self._cells = int(model.prompt_encoder.mask_input_size[0])
        self.device: torch.device = model.device
        self.cells_per_pixel: float = self._cells / model.prompt_encoder.input_image_size

    def open_image(self, embedding: ImageEmbedding, points: Tensor) -> DecodePoints:
        features = features_of(self._model, embedding)
        labels = torch.ones(1, len(points), 1, dtype=torch.int, device=self.device)
        sparse, dense = self._model.prompt_encoder(points.float()[None, :, None], labels, None, None)

        def decode(batch: Tensor, min_iou: float) -> tuple[Tensor, Tensor] | None:
            logits, scores, _, _ = self._model.mask_decoder(
                image_embeddings=features.image,
                image_positional_embeddings=self._image_pe,
                sparse_prompt_embeddings=sparse[:, batch],
                dense_prompt_embeddings=dense,
                multimask_output=True,
                high_resolution_features=list(features.high_res),
            )
            chosen = scores > min_iou
            return (logits[chosen], scores[chosen]) if chosen.any() else None

        return decode

    def axes(self, embedding: ImageEmbedding) -> tuple[MaskAxis, MaskAxis]:
        size = embedding.original_size
        rows, columns = (MaskAxis(self._cells, 1, self._cells, pixels) for pixels in (size.height, size.width))
        return rows, columns

    def enlarge(self, low_res_masks: Tensor, embedding: ImageEmbedding) -> Tensor:
        return enlarge(low_res_masks, embedding.original_size)
