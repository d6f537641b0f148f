"""Automatic masks with SAM 2.1 and EdgeTAM: only candidates whose predicted IoU is high enough become masks.

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
from backend.models.transformers_sam.mask_decoder import MaskDecoder
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

    def __init__(self, model: Any) -> None:
        self._model, self._decoder = model, MaskDecoder(model)
        self._cells = int(model.prompt_encoder.mask_input_size[0])
        self.device: torch.device = model.device
        self.cells_per_pixel: float = self._cells / model.prompt_encoder.input_image_size

    def open_image(self, embedding: ImageEmbedding, points: Tensor) -> DecodePoints:
        image = self._decoder.open_image(features_of(self._model, embedding))
        labels = torch.ones(1, len(points), 1, dtype=torch.int, device=self.device)
        encoded, _ = self._model.prompt_encoder(points.float()[None, :, None], labels, None, None)
        sparse = encoded[0]  # (N, 2, C)

        def decode(batch: Tensor, min_iou: float) -> tuple[Tensor, Tensor] | None:
            decoded = self._decoder.decode(image, sparse[batch])
            scores = decoded.scores[:, 1:]
            chosen = scores > min_iou
            if not chosen.any():
                return None
            return self._decoder.upscale_chosen(image, decoded, chosen), scores[chosen]

        return decode

    def axes(self, embedding: ImageEmbedding) -> tuple[MaskAxis, MaskAxis]:
        size = embedding.original_size
        rows, columns = (MaskAxis(self._cells, 1, self._cells, pixels) for pixels in (size.height, size.width))
        return rows, columns

    def enlarge(self, low_res_masks: Tensor, embedding: ImageEmbedding) -> Tensor:
        return enlarge(low_res_masks, embedding.original_size)
