"""Automatic masks from an embedding: the same as SamAutomaticMaskGenerator's, with a fraction of the work.

What the families differ in is a `PointDecoder`: how points become low-resolution masks, and how those lie in the image.
A mask is brought to the original size only if its predicted IoU is high enough, and on a CPU only where it lies; see
`mask_finishing`.

Source: segment_anything.SamAutomaticMaskGenerator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.utils.amg import build_point_grid
from torch import Tensor

from backend.models.automatic_masks.device_finishing import FinishingOnDevice
from backend.models.automatic_masks.fast_mode import WaitingPoints, distinct_masks
from backend.models.automatic_masks.image_crops import ImageCrop, plan_crops
from backend.models.automatic_masks.mask_axis import MaskAxis
from backend.models.automatic_masks.mask_enlarger import MaskEnlarger
from backend.models.automatic_masks.mask_finishing import FinishingOnCpu, MaskFinishing
from backend.models.automatic_masks.mask_part import MaskPart
from backend.models.automatic_masks.mask_selection import clean_parts, keep_distinct
from backend.runtime import make_way
from backend.values import Candidate, ImageEmbedding, Pixels, ProposalParameters, Size

CROP_NMS_THRESH = (
    0.7  # SamAutomaticMaskGenerator's default, which also limits the overlap after small parts are removed
)
ScoredPart = tuple[MaskPart, float]
Encode = Callable[[Pixels], ImageEmbedding]
DecodePoints = Callable[[Tensor, float], tuple[Tensor, Tensor] | None]
"""Called with the places of some points and a minimum predicted IoU (-inf for none): the low-resolution logits
(masks, M, M) and scores (masks,) of the candidates with a higher one, point by point; None if there are none."""


class PointDecoder(Protocol):
    """Decoder of a model with frozen weights for many points on one image, each with three candidates. Thread-safe."""

    @property
    def device(self) -> torch.device: ...
    @property
    def mask_threshold(self) -> float:
        """Logit above which a pixel belongs to a mask."""
        ...

    @property
    def cells_per_pixel(self) -> float:
        """Cells of a low-resolution mask per pixel of the model's input."""
        ...

    def open_image(self, embedding: ImageEmbedding, points: Tensor) -> DecodePoints:
        """Prepare points (N, 2), in pixels of the model's input, on an image."""
        ...

    def axes(self, embedding: ImageEmbedding) -> tuple[MaskAxis, MaskAxis]:
        """Return how the rows and the columns of low-resolution masks lie in the image."""
        ...

    def enlarge(self, low_res_masks: Tensor, embedding: ImageEmbedding) -> Tensor:
        """Upscale logits (B, 1, M, M) to the size of the original image (B, 1, H, W), as the axes say."""
        ...


class MaskGenerator:
    """Automatic masks of a model with frozen weights. Thread-safe, keeps nothing of an image.

    Args:
        decoder: Of the model's family.
        encode: Image encoder for crops.
    """

    def __init__(self, decoder: PointDecoder, encode: Encode) -> None:
        self._decoder, self._encode = decoder, encode

    @torch.inference_mode()
    def propose(
        self,
        embedding: ImageEmbedding,
        parameters: ProposalParameters,
        points_per_batch: int,
        pixels: Pixels | None = None,
    ) -> list[Candidate]:
        """Find masks of everything in the image. Clicks go first between two batches of points.

        Args:
            pixels: Of the image; needed only with `parameters.crop_n_layers`.

        Returns:
            Best predicted IoU first.

        Raises:
            ValueError: Crops without pixels.
        """
        size = embedding.original_size
        crops = plan_crops(size, parameters.crop_n_layers)
        found, areas = [], []
        for crop in crops:
            of_image = embedding if crop.is_whole else self._encode_crop(pixels, crop)
            of_crop = self._find(of_image, parameters, points_per_batch, crop)
            found += of_crop
            areas += [crop.area] * len(of_crop)
        if len(crops) > 1:
            boxes, of_small_crops_first = [part.box_xyxy for part, _ in found], [1 / area for area in areas]
            found = [found[place] for place in keep_distinct(boxes, of_small_crops_first, CROP_NMS_THRESH)]
        found = _clean(found, size, parameters)
        found.sort(key=lambda one: -one[1])
        return [Candidate(part.to_mask(size), score) for part, score in found]

    def _encode_crop(self, pixels: Pixels | None, crop: ImageCrop) -> ImageEmbedding:
        if pixels is None:
            raise ValueError("Automatic masks of crops need the pixels of the image.")
        left, top, right, bottom = crop.box_xyxy
        return self._encode(pixels[top:bottom, left:right])

    def _find(
        self, embedding: ImageEmbedding, parameters: ProposalParameters, points_per_batch: int, crop: ImageCrop
    ) -> list[ScoredPart]:
        """Find the distinct masks of a crop, at their place in the image."""
        finishing = self._build_finishing(embedding, parameters.stability_score_thresh)
        for low_res_masks, predicted_iou in self._decode(embedding, parameters, points_per_batch):
            finishing.add(low_res_masks, predicted_iou)
        boxes, scores = finishing.found()
        places = crop.uncut(boxes)
        kept = keep_distinct([boxes[i] for i in places], [scores[i] for i in places], parameters.box_nms_thresh)
        places = [places[i] for i in kept]
        parts = (part.move(*crop.box_xyxy[:2]) for part in finishing.parts(places))
        return list(zip(parts, [scores[i] for i in places], strict=True))

    def _decode(
        self, embedding: ImageEmbedding, parameters: ProposalParameters, points_per_batch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield low-resolution logits (masks, M, M) and scores of the candidates whose predicted IoU is high enough."""
        points = torch.as_tensor(_grid(embedding.input_size, parameters), device=self._decoder.device)
        decode = self._decoder.open_image(embedding, points)
        min_iou = parameters.pred_iou_thresh if parameters.pred_iou_thresh > 0 else -torch.inf
        threshold = self._decoder.mask_threshold
        if not parameters.fast:
            for batch in torch.arange(len(points), device=points.device).split(points_per_batch):
                make_way()
                if (decoded := decode(batch, min_iou)) is not None:
                    yield decoded
            return
        waiting = WaitingPoints(points * self._decoder.cells_per_pixel, (1 + parameters.pred_iou_thresh) / 2)
        found = []
        while len(batch := waiting.take(points_per_batch)):
            make_way()
            if (decoded := decode(batch, min_iou)) is not None:
                waiting.skip_covered(*decoded, threshold)
                found.append(decoded)
        if found:
            low_res_masks, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
            kept = distinct_masks(low_res_masks, scores, threshold)
            yield low_res_masks[kept], scores[kept]

    def _build_finishing(self, embedding: ImageEmbedding, min_stability: float) -> MaskFinishing:
        threshold = self._decoder.mask_threshold
        if self._decoder.device.type != "cpu":
            enlarge = partial(self._decoder.enlarge, embedding=embedding)
            return FinishingOnDevice(enlarge, embedding.original_size, threshold, min_stability)
        rows, columns = self._decoder.axes(embedding)
        return FinishingOnCpu(MaskEnlarger(rows, columns, threshold), min_stability)


def _grid(input_size: Size, parameters: ProposalParameters) -> NDArray[np.float64]:
    """Return the points (N, 2) in pixels of the model's input."""
    grid: NDArray[np.float64] = build_point_grid(parameters.points_per_side)
    return grid * (input_size.width, input_size.height)


def _clean(found: list[ScoredPart], size: Size, parameters: ProposalParameters) -> list[ScoredPart]:
    if parameters.min_mask_region_area <= 0:
        return found
    max_iou = max(parameters.box_nms_thresh, CROP_NMS_THRESH)
    cleaned = clean_parts([part for part, _ in found], size, parameters.min_mask_region_area, max_iou)
    return [(part, found[place][1]) for place, part in cleaned.items()]
