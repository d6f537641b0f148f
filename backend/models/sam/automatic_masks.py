"""Automatic masks with SAM: points are decoded in groups that share what does not depend on the point.

Source: segment_anything.SamAutomaticMaskGenerator.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from backend.models.automatic_masks.generator import DecodePoints, Encode, MaskGenerator
from backend.models.automatic_masks.mask_axis import MaskAxis
from backend.models.sam.grouped_point_decoder import GroupedPointDecoder
from backend.models.sam.steps import enlarge, features_of
from backend.values import ImageEmbedding

MAX_POINTS_ON_DEVICE = (128, 16)  # decoded at once, 4 GB for SAM's own models, and a fallback for little memory
MAX_POINTS_ON_CPU = (8, 2)
MAX_TOKENS_ON_CPU = 16_384  # image tokens of such a batch; more do not stay in the processor's cache


class AutomaticMasks(MaskGenerator):
    """Automatic masks of a SAM with frozen weights. Thread-safe, keeps nothing of an image.

    Args:
        encode: Image encoder for crops.
    """

    def __init__(self, model: Sam, encode: Encode) -> None:
        super().__init__(SamPointDecoder(model), encode)


class SamPointDecoder:
    """SAM's decoder as a `PointDecoder`."""

    def __init__(self, model: Sam) -> None:
        self._model, self._decoder = model, GroupedPointDecoder(model)
        self._cells = model.prompt_encoder.mask_input_size[0]
        self.device: torch.device = model.device
        self.mask_threshold: float = model.mask_threshold
        self.cells_per_pixel: float = self._cells / model.image_encoder.img_size

    def open_image(self, embedding: ImageEmbedding, points: Tensor) -> DecodePoints:
        image = self._decoder.share(features_of(self._model, embedding))
        sparse = self._decoder.encode_points(points)

        def decode(batch: Tensor, min_iou: float) -> tuple[Tensor, Tensor] | None:
            decoded = self._decoder.decode(image, sparse[batch])
            chosen = decoded.scores > min_iou
            return (self._decoder.upscale(decoded, chosen), decoded.scores[chosen]) if chosen.any() else None

        return decode

    def axes(self, embedding: ImageEmbedding) -> tuple[MaskAxis, MaskAxis]:
        factor = self._model.image_encoder.img_size // self._cells
        given, original = embedding.input_size, embedding.original_size
        rows = MaskAxis(self._cells, factor, given.height, original.height)
        return rows, MaskAxis(self._cells, factor, given.width, original.width)

    def enlarge(self, low_res_masks: Tensor, embedding: ImageEmbedding) -> Tensor:
        return enlarge(self._model, low_res_masks, embedding)


def batch_sizes(model: Sam) -> tuple[int, ...]:
    """Return the numbers of points to decode at once: the fastest one, then one that needs little memory."""
    if model.device.type != "cpu":
        return MAX_POINTS_ON_DEVICE
    rows, columns = model.prompt_encoder.image_embedding_size
    return tuple(min(points, MAX_TOKENS_ON_CPU // (rows * columns)) for points in MAX_POINTS_ON_CPU)
