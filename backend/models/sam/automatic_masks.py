"""Automatic masks from an existing embedding: the same as `SamAutomaticMaskGenerator`'s, with less work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import Sam
from segment_anything.utils.amg import MaskData

from backend.models.sam.resize import ResizeToInput
from backend.models.sam.steps import enlarge, features_of, predict_low_res
from backend.runtime import make_way
from backend.values import ImageEmbedding, ProposalParameters

MAX_BATCH_PIXELS = 64_000_000  # float32 masks at full size, 256 MB; proportionally less with fewer points per batch


class _EmbeddedPredictor(SamPredictor):
    """SamPredictor with a precomputed embedding."""

    def __init__(self, model: Sam, embedding: ImageEmbedding) -> None:
        super().__init__(model)
        self.transform = ResizeToInput(model.image_encoder.img_size)
        self._embedding = embedding

    def set_image(self, image: NDArray[Any], image_format: str = "RGB") -> None:
        size, input_size = self._embedding.original_size, self._embedding.input_size
        self.original_size, self.input_size = (size.height, size.width), (input_size.height, input_size.width)
        self.features = features_of(self.model, self._embedding)
        self.is_image_set = True


class EmbeddedMaskGenerator(SamAutomaticMaskGenerator):
    """SamAutomaticMaskGenerator on an embedding; it discards bad masks before they are upscaled, not after."""

    def __init__(
        self, model: Sam, embedding: ImageEmbedding, parameters: ProposalParameters, points_per_batch: int
    ) -> None:
        super().__init__(
            model,
            points_per_side=parameters.points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=parameters.pred_iou_thresh,
            stability_score_thresh=parameters.stability_score_thresh,
            min_mask_region_area=parameters.min_mask_region_area,
            box_nms_thresh=parameters.box_nms_thresh,
        )
        self.predictor: Any = _EmbeddedPredictor(model, embedding)
        self._embedding = embedding

    def _process_batch(self, points: NDArray[Any], im_size: Any, crop_box: Any, orig_size: Any) -> MaskData:
        """Run the library's own step on only the masks that pass its first filter; the result is the same."""
        make_way()
        model = self.predictor.model
        scaled = self.predictor.transform.apply_coords(points, im_size)
        coords = torch.as_tensor(scaled, dtype=torch.float, device=model.device)[:, None, :]
        labels = torch.ones(len(coords), 1, dtype=torch.int, device=model.device)
        low_res_masks, scores = predict_low_res(model, self.predictor.features, coords, labels)
        is_good = scores.flatten() > (self.pred_iou_thresh if self.pred_iou_thresh > 0 else -torch.inf)
        kept = torch.nonzero(is_good).flatten().tolist()
        chosen = low_res_masks.flatten(0, 1)[is_good][:, None], scores.flatten()[is_good][:, None]
        point_of = points[[index // scores.shape[1] for index in kept]]
        step = max(1, MAX_BATCH_PIXELS * self.points_per_batch // (64 * orig_size[0] * orig_size[1]))
        batches = (
            self._keep_good(
                chosen[0][i : i + step], chosen[1][i : i + step], point_of[i : i + step], crop_box, orig_size
            )
            for i in _batch_starts(len(kept), step)
        )
        return _concatenate(batches)

    def _keep_good(
        self, low_res_masks: torch.Tensor, scores: torch.Tensor, points: NDArray[Any], crop_box: Any, orig_size: Any
    ) -> MaskData:
        predictor = self.predictor
        masks = enlarge(predictor.model, low_res_masks, self._embedding)
        self.predictor = _PrecomputedPredictor(predictor, masks, scores)
        try:
            return super()._process_batch(points, orig_size, crop_box, orig_size)
        finally:
            self.predictor = predictor


class _PrecomputedPredictor:
    """Predictor whose `predict_torch` returns precomputed masks, one per point."""

    def __init__(self, predictor: SamPredictor, masks: torch.Tensor, scores: torch.Tensor) -> None:
        self.transform, self.model, self.device = predictor.transform, predictor.model, predictor.device
        self._answer = masks, scores, None

    def predict_torch(self, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor, None]:
        return self._answer


def _batch_starts(length: int, step: int) -> Iterable[int]:
    return range(0, max(length, 1), step)  # at least one batch, so that an image without good masks takes the same path


def _concatenate(batches: Iterator[MaskData]) -> MaskData:
    data = MaskData()
    for batch in batches:
        data.cat(batch)
    return data
