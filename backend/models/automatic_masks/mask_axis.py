"""One axis of SAM's two bilinear resizes, from low-resolution masks to the size of the original image.

`cells` of a low-resolution mask are enlarged `factor` times, to the size of the model's input. Its padding is cut off,
and the remaining canvas is resized to the original image. Pixel i after a resize lies at (i + 0.5) / scale - 0.5 before
it. So each pixel is a weighted mean of a few nearby cells, and a part of the image needs only a part of the mask.

Source: segment_anything.modeling.Sam.postprocess_masks, torch.nn.functional.interpolate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AxisPart:
    """A part of an axis: pixels [first, end) of the image and what has to be resized to get them.

    Attributes:
        cells: Of the low-resolution mask, to be enlarged.
        canvas: Of those enlarged cells, to be resized; the first of them lies exactly where a pixel would begin.
        kept: Of the pixels after that resize, those from `first` to `end`.
    """

    first: int
    end: int
    cells: slice
    canvas: slice
    kept: slice


@dataclass(frozen=True)
class MaskAxis:
    """Height or width of the masks of one image; see the module."""

    cells: int
    factor: int
    canvas: int
    pixels: int

    @property
    def scale(self) -> float:
        """Pixels of the original image per pixel of the canvas."""
        return self.pixels / self.canvas

    @property
    def used_cells(self) -> int:
        """Number of leading cells that any pixel depends on; the others are padding."""
        return min(self.cells, (self.canvas - 1) // self.factor + 2)

    def part_around(self, cells: NDArray[np.intp]) -> AxisPart:
        """Plan the pixels that depend on any of some cells, given in ascending order; all pixels if there are none."""
        first_cell, end_cell = (int(cells[0]), int(cells[-1]) + 1) if len(cells) else (0, self.cells)
        # a pixel depends on the two pixels of the canvas next to it, and those each on the two cells next to them
        lowest = self.factor * (first_cell - 0.5) - 1.5
        highest = self.factor * (end_cell + 0.5) + 0.5
        first = max(0, math.floor((lowest + 0.5) * self.scale - 0.5))
        end = min(self.pixels, math.ceil((highest + 0.5) * self.scale - 0.5) + 1)
        # cv2.resize starts at the edge of what it gets, so that edge must be one of a pixel of the image, too
        step = math.gcd(self.canvas, self.pixels)
        period = self.pixels // step
        start = max(0, first - math.ceil(self.scale) - 1) // period * period
        canvas_start = start * self.canvas // self.pixels
        canvas_end = min(self.canvas, math.floor((end + 0.5) / self.scale) + 2)
        cells_start = max(0, canvas_start // self.factor - 1)
        cells_end = min(self.cells, canvas_end // self.factor + 2)
        shift = cells_start * self.factor
        return AxisPart(
            first,
            end,
            slice(cells_start, cells_end),
            slice(canvas_start - shift, canvas_end - shift),
            kept=slice(first - start, end - start),
        )

    def neighbours(self, pixels: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return the cells that pixels depend on, (2, 2, N), and their weights, in float32 as torch rounds them.

        The first index is the neighbour on the canvas, the second one the neighbour of that among the cells.
        """
        near, weights = _neighbours(pixels, self.canvas, self.pixels)
        cells, of_cells = _neighbours(near, self.cells, self.cells * self.factor)
        return cells.swapaxes(0, 1), (of_cells * weights).swapaxes(0, 1)


def _neighbours(places: NDArray[np.intp], before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the two places before a resize that each place after it lies between, and their weights; (2, ...) each."""
    scale = np.float32(before) / np.float32(after)
    at = np.maximum(scale * (places.astype(np.float32) + np.float32(0.5)) - np.float32(0.5), np.float32(0))
    lower = np.minimum(at.astype(np.intp), before - 1)
    upper = np.minimum(lower + 1, before - 1)
    weight = np.clip(at - lower.astype(np.float32), np.float32(0), np.float32(1))
    return np.stack([lower, upper]), np.stack([np.float32(1) - weight, weight])
