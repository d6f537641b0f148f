"""A family of segmenters without torch: an object is what has the clicked colour and hangs together.

An example of all that a family needs: this module and an entry of the registry. Its checkpoint is a .npy file with the
largest difference between two values of one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import BadPrompt
from backend.models.entries import SegmenterEntry
from backend.values import (
    Candidate,
    EmbeddingSpec,
    ImageEmbedding,
    Mask,
    Pixels,
    Prompt,
    ProposalParameters,
    ReviseLogits,
    Size,
)

SIDE = 16


class ToySegmenter:
    """Segmenter of coloured areas on a grid of 16 x 16 cells."""

    identity = "toy1"
    device = "cpu"
    encoder_dtype = "uint8"
    refines_by_logits = False

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        """Sample the middle of each cell: (3, 16, 16) colours."""
        size = Size(pixels.shape[1], pixels.shape[0])
        rows, columns = ((2 * np.arange(SIDE) + 1) * length // (2 * SIDE) for length in pixels.shape[:2])
        colours = pixels[rows][:, columns].transpose(2, 0, 1).astype(np.float16)
        return ImageEmbedding({"colours": colours}, size, size, "toy")

    def embedding_spec(self, size: Size) -> EmbeddingSpec:
        return EmbeddingSpec({"colours": (np.dtype(np.float16), (3, SIDE, SIDE))}, size, size, "toy")

    def decode(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        max_masks: int | None = None,
        revise: ReviseLogits | None = None,
    ) -> list[Candidate]:
        if prompt.box_xyxy is not None:
            raise BadPrompt("This model takes no boxes.", remedy="Click a point.")
        ((x, y), *_), size = prompt.point_coords, embedding.original_size
        area = self._grow(embedding.arrays["colours"], int(y * SIDE / size.height), int(x * SIDE / size.width))
        return [Candidate(_enlarge(area, size), 1.0)]

    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
        return [self.decode(embedding, prompt)[0] for prompt in prompts]

    def propose(self, embedding: ImageEmbedding, parameters: ProposalParameters) -> list[Candidate]:
        areas, left = [], np.ones((SIDE, SIDE), bool)
        while left.any():
            row, column = np.argwhere(left)[0]
            areas.append(self._grow(embedding.arrays["colours"], row, column))
            left &= ~areas[-1]
        masks = [_enlarge(area, embedding.original_size) for area in areas]
        return [Candidate(mask, 1.0) for mask in masks if mask.sum() >= parameters.min_mask_region_area]

    def mask_to_logits(self, mask: Mask) -> NDArray[np.float32]:
        rows, columns = ((2 * np.arange(SIDE) + 1) * length // (2 * SIDE) for length in mask.shape)
        return np.where(mask[rows][:, columns], 1, -1).astype(np.float32)[None]

    def _grow(self, colours: NDArray[np.float16], row: int, column: int) -> Mask:
        """The cells that reach (row, column) over cells of its colour."""
        same = np.abs(colours - colours[:, row, column, None, None]).max(axis=0) <= self._tolerance
        area, before = np.zeros_like(same), 0
        area[row, column] = True
        while area.sum() > before:
            before = int(area.sum())
            near = np.pad(area, 1)
            area = same & (area | near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:])
        return area


def _enlarge(area: Mask, size: Size) -> Mask:
    rows, columns = (np.arange(length) * SIDE // length for length in (size.height, size.width))
    return area[rows][:, columns]


def build(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> ToySegmenter:
    return ToySegmenter(float(np.load(checkpoint)))
