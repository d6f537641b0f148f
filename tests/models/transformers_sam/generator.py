"""SamAutomaticMaskGenerator around a SAM 2 of transformers: all points of a crop in one call of the library's model.

With random weights every mask spreads over the whole image, of which box NMS leaves one. So the finest features of an
image come from its colours here, one channel for each, and what the decoder makes of them are masks of a few discs.
"""

from __future__ import annotations

import copy
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator

from backend.models.transformers_sam.steps import HIGH_RES_0, HIGH_RES_1, IMAGE_EMBED, LEVELS
from backend.values import ImageEmbedding, Pixels, ProposalParameters, Size
from tests.models.transformers_sam.library import build_processor
from tests.models.transformers_sam.tiny_models import HIDDEN, SIDE

COLOURS = 16
CELLS, TOKENS = SIDE // 4, SIDE // 16
_GAIN, _OFFSET = 8.0, 35.0  # logits of a disc for a weight of 1, and of the background


def prefer_few_discs(tiny: Any) -> Any:
    """Copy a tiny model; the kernels of its masks get a wide spread, and a first channel that is against everything."""
    model = copy.deepcopy(tiny)
    for network in model.mask_decoder.output_hypernetworks_mlps:
        network.proj_out.weight.mul_(4.0)
        network.proj_out.weight[0] = 0.0
        network.proj_out.bias[0] = -_OFFSET / _GAIN
    return model


def draw_discs(size: Size, count: int = 24) -> Pixels:
    """Grey discs on black; level n is 15 * n."""
    random, pixels = np.random.default_rng(3), np.zeros((size.height, size.width, 3), np.uint8)
    for number in range(count):
        x, y = (int(random.uniform(0.05, 0.95) * length) for length in (size.width, size.height))
        radius = max(2, int(min(size.width, size.height) * random.uniform(0.05, 0.14)))
        cv2.circle(pixels, (x, y), radius, (15 * (1 + number % (COLOURS - 1)),) * 3, -1)
    return pixels


def encode_colours(pixels: Pixels) -> ImageEmbedding:
    """Stand in for the encoder: finest features that are high where an image has a colour."""
    squashed = cv2.resize(pixels[..., 0], (CELLS, CELLS), interpolation=cv2.INTER_NEAREST)
    finest = np.where(squashed == 15 * np.arange(COLOURS)[:, None, None], _GAIN, -_GAIN).astype(np.float32)
    finest[0] = _GAIN
    random = np.random.default_rng(5)
    tokens = cv2.resize(finest.transpose(1, 2, 0), (TOKENS, TOKENS), interpolation=cv2.INTER_AREA) / _GAIN
    image = tokens @ random.normal(size=(COLOURS, HIDDEN)) / 2
    arrays = {
        HIGH_RES_0: finest,
        HIGH_RES_1: random.normal(size=(HIDDEN // 4, CELLS // 2, CELLS // 2)).astype(np.float32),
        IMAGE_EMBED: image.transpose(2, 0, 1).astype(np.float32),
    }
    return ImageEmbedding(arrays, Size(pixels.shape[1], pixels.shape[0]), Size(SIDE, SIDE), "sam2")


class LibraryPredictor:
    """The part of `SamPredictor` that the generator uses, with the library's own call and upscaling."""

    device = torch.device("cpu")

    def __init__(self, model: Any) -> None:
        self._model, self._processor = model, build_processor()
        self.model, self.transform = SimpleNamespace(mask_threshold=0.0), self

    def set_image(self, pixels: Pixels) -> None:
        self._size, arrays = pixels.shape[:2], encode_colours(pixels).arrays
        self._embeddings = [torch.from_numpy(arrays[name])[None] for name in LEVELS]
        self._embeddings[-1] = self._embeddings[-1] + self._model.no_memory_embedding.view(1, -1, 1, 1)

    def reset_image(self) -> None:
        """Forget nothing."""

    def apply_coords(self, points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
        return points * (SIDE / size[1], SIDE / size[0])

    def predict_torch(
        self, points: torch.Tensor, labels: torch.Tensor, *, multimask_output: bool, return_logits: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        output = self._model(
            image_embeddings=self._embeddings,
            input_points=points[None].float(),
            input_labels=labels[None],
            multimask_output=multimask_output,
        )
        masks = self._processor.post_process_masks(output.pred_masks, [list(self._size)], binarize=not return_logits)
        return masks[0], output.iou_scores[0], output.pred_masks[0]


def ask_generator(model: Any, pixels: Pixels, parameters: ProposalParameters) -> list[dict[str, Any]]:
    """The records of `SamAutomaticMaskGenerator.generate`."""
    values = asdict(parameters)
    assert not values.pop("fast")
    shape = SimpleNamespace(img_size=SIDE)
    sam = SimpleNamespace(image_encoder=shape, device=LibraryPredictor.device, mask_threshold=0.0)
    generator = SamAutomaticMaskGenerator(sam, points_per_batch=10_000, **values)
    generator.predictor = LibraryPredictor(model)
    with torch.no_grad():
        records: list[dict[str, Any]] = generator.generate(pixels)
    return records
