"""Automatic masks from an embedding: the same as SamAutomaticMaskGenerator's, with a fraction of the work.

Points are decoded in groups that share what does not depend on the point, a mask is upscaled only if its predicted IoU
is high enough, and on a CPU brought to the original size only where it lies; see `grouped_point_decoder` and
`mask_finishing`.

Source: segment_anything.SamAutomaticMaskGenerator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import Sam
from segment_anything.utils.amg import build_point_grid
from torch import Tensor

from backend.models.sam.device_finishing import FinishingOnDevice
from backend.models.sam.grouped_point_decoder import GroupedPointDecoder
from backend.models.sam.image_crops import ImageCrop, plan_crops
from backend.models.sam.mask_axis import MaskAxis
from backend.models.sam.mask_enlarger import MaskEnlarger
from backend.models.sam.mask_finishing import FinishingOnCpu, MaskFinishing
from backend.models.sam.mask_part import MaskPart
from backend.models.sam.mask_selection import clean_parts, keep_distinct
from backend.models.sam.steps import features_of
from backend.runtime import make_way
from backend.values import Candidate, ImageEmbedding, Pixels, ProposalParameters, Size

CROP_NMS_THRESH = (
    0.7  # SamAutomaticMaskGenerator's default, which also limits the overlap after small parts are removed
)
MAX_POINTS_ON_DEVICE = (256, 32)  # decoded at once, and a fallback for little memory
MAX_POINTS_ON_CPU = (8, 2)
MAX_TOKENS_ON_CPU = 16_384  # image tokens of such a batch; more do not stay in the processor's cache
ScoredPart = tuple[MaskPart, float]
Encode = Callable[[Pixels], ImageEmbedding]


class AutomaticMasks:
    """Automatic masks of a model with frozen weights. Thread-safe, keeps nothing of an image.

    Args:
        encode: Image encoder for crops.
    """

    def __init__(self, model: Sam, encode: Encode) -> None:
        self._model, self._encode, self._decoder = model, encode, GroupedPointDecoder(model)

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
        points = torch.as_tensor(_grid(embedding.input_size, parameters), device=self._model.device)
        image = self._decoder.share(features_of(self._model, embedding))
        min_score = parameters.pred_iou_thresh if parameters.pred_iou_thresh > 0 else -torch.inf
        for sparse in self._decoder.encode_points(points).split(points_per_batch):
            make_way()
            decoded = self._decoder.decode(image, sparse)
            chosen = decoded.scores > min_score
            if chosen.any():
                yield self._decoder.upscale(decoded, chosen), decoded.scores[chosen]

    def _build_finishing(self, embedding: ImageEmbedding, min_stability: float) -> MaskFinishing:
        model = self._model
        if model.device.type != "cpu":
            return FinishingOnDevice(model, embedding, min_stability)
        cells = model.prompt_encoder.mask_input_size[0]
        factor = model.image_encoder.img_size // cells
        given, original = embedding.input_size, embedding.original_size
        rows = MaskAxis(cells, factor, given.height, original.height)
        columns = MaskAxis(cells, factor, given.width, original.width)
        return FinishingOnCpu(MaskEnlarger(rows, columns, model.mask_threshold), min_stability)


def batch_sizes(model: Sam) -> tuple[int, ...]:
    """Return the numbers of points to decode at once: the fastest one, then one that needs little memory."""
    if model.device.type != "cpu":
        return MAX_POINTS_ON_DEVICE
    rows, columns = model.prompt_encoder.image_embedding_size
    return tuple(min(points, MAX_TOKENS_ON_CPU // (rows * columns)) for points in MAX_POINTS_ON_CPU)


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
