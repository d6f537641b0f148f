"""From low-resolution logits to a mask at original size on a CPU, computing only the pixels around the mask.

OpenCV resizes several times faster than torch, but it places its samples in double precision and torch in single
precision. The logits differ by a few millionths of the largest one, which inverts a pixel in one mask of ten. So pixels
that close to the threshold are computed again, with positions rounded as torch rounds them, in the masks that remain at
the end.

Source: segment_anything.modeling.Sam.postprocess_masks and SamAutomaticMaskGenerator._process_batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.models.automatic_masks.mask_axis import AxisPart, MaskAxis
from backend.models.automatic_masks.mask_part import EMPTY_BOX, EMPTY_PART, MaskPart, PixelBox, crop_to_mask, mask_box
from backend.values import Mask

STABILITY_OFFSET = 1.0  # logits above and below the threshold, as SamAutomaticMaskGenerator has it by default
MAX_ERROR = 2e-5  # of OpenCV's logits against torch's, as a fraction of the largest logit

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class StableMask:
    """A mask that passed the stability test, as the cells around it.

    Attributes:
        cells: Part of the low-resolution logits.
        rows, columns: That part's pixels in the image.
        box_xyxy: Around the mask in the image; all 0 for an empty one.
    """

    cells: Logits
    rows: AxisPart
    columns: AxisPart
    box_xyxy: PixelBox


class MaskEnlarger:
    """Resize of the low-resolution masks of one image, with buffers that are reused; for one thread.

    Args:
        rows, columns: The two axes.
        threshold: Logit above which a pixel belongs to the mask.
    """

    def __init__(self, rows: MaskAxis, columns: MaskAxis, threshold: float) -> None:
        self._rows, self._columns = rows, columns
        self._threshold = np.float32(threshold)
        self._logits = np.empty(0, np.float32)
        self._above = np.empty(0, bool)

    def find(self, logits: Logits, min_stability: float) -> StableMask | None:
        """Find the mask of logits (M, M); None if its stability at original size is lower than `min_stability`.

        Stability is the IoU of the masks with a threshold that is `STABILITY_OFFSET` higher and lower. The library
        divides 0 by 0 for logits that are all lower, which no limit but 0 accepts.
        """
        used = logits[: self._rows.used_cells, : self._columns.used_cells]
        above = used > self._threshold - np.float32(STABILITY_OFFSET)
        touched_rows, touched_columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
        if not len(touched_rows) and min_stability > 0:
            return None
        rows, columns = self._rows.part_around(touched_rows), self._columns.part_around(touched_columns)
        cells = logits[rows.cells, columns.cells]
        enlarged = self._resize(cells, rows, columns)
        if min_stability > 0 and not self._stability(enlarged) >= np.float32(min_stability):
            return None
        box = mask_box(self._above_threshold(enlarged, self._threshold), (columns.first, rows.first))
        return StableMask(cells.copy(), rows, columns, box)

    def enlarge(self, found: StableMask) -> MaskPart:
        """Return the mask at original size, exactly as torch's resize gives it."""
        if found.box_xyxy == EMPTY_BOX:
            return EMPTY_PART
        enlarged = self._resize(found.cells, found.rows, found.columns)
        error = np.float32(MAX_ERROR * np.abs(found.cells).max())
        mask = enlarged > self._threshold + error
        close = self._above_threshold(enlarged, self._threshold - error)
        y, x = np.divmod(np.flatnonzero(np.not_equal(close, mask, out=close)), enlarged.shape[1])
        if len(y):
            mask[y, x] = self._interpolate(found, y, x) > self._threshold
        return crop_to_mask(mask, (found.columns.first, found.rows.first))

    def _resize(self, cells: Logits, rows: AxisPart, columns: AxisPart) -> Logits:
        """Resize cells to the pixels of their part; the result lies in a buffer."""
        size = self._columns.factor * cells.shape[1], self._rows.factor * cells.shape[0]
        canvas = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[rows.canvas, columns.canvas]
        scales = self._columns.scale, self._rows.scale
        width, height = (round(length * scale) for length, scale in zip(canvas.shape[::-1], scales, strict=True))
        if self._logits.size < width * height:
            self._logits, self._above = np.empty(width * height, np.float32), np.empty(width * height, bool)
        buffer = self._logits[: width * height].reshape(height, width)
        resized = cv2.resize(canvas, (0, 0), buffer, *scales, interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized[rows.kept, columns.kept], np.float32)

    def _stability(self, enlarged: Logits) -> np.float32:
        offset = np.float32(STABILITY_OFFSET)
        high, low = (
            np.count_nonzero(self._above_threshold(enlarged, threshold))
            for threshold in (self._threshold + offset, self._threshold - offset)
        )
        return np.float32(high) / np.float32(low) if low else np.float32(np.nan)

    def _above_threshold(self, enlarged: Logits, threshold: np.float32) -> Mask:
        """Compare with a threshold; the result lies in a buffer."""
        return np.greater(enlarged, threshold, out=self._above[: enlarged.size].reshape(enlarged.shape))

    def _interpolate(self, found: StableMask, y: NDArray[np.intp], x: NDArray[np.intp]) -> Logits:
        """Return the logits of some pixels of a part, as torch computes them."""
        row, of_row = self._rows.neighbours(y + found.rows.first)
        column, of_column = self._columns.neighbours(x + found.columns.first)
        row, column = row - found.rows.cells.start, column - found.columns.cells.start
        cells = found.cells[row[:, :, None, None], column]  # (canvas row, cell row, canvas column, cell column, N)
        weighted = cells * of_row[:, :, None, None] * of_column
        interpolated: Logits = weighted.sum(axis=(0, 1, 2, 3))
        return interpolated
