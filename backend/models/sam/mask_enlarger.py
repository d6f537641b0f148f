"""From low-resolution logits to a mask at original size on a CPU, computing only the pixels around the mask.

OpenCV resizes several times faster than torch, but it places its samples in double precision and torch in single
precision. The logits differ by a few millionths of the largest one, which inverts a pixel in one mask of ten. So pixels
that close to the threshold are computed again, with positions rounded as torch rounds them.

Source: segment_anything.modeling.Sam.postprocess_masks and SamAutomaticMaskGenerator._process_batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.models.sam.mask_axis import AxisPart, MaskAxis
from backend.values import Mask

STABILITY_OFFSET = 1.0  # logits above and below the threshold, as SamAutomaticMaskGenerator has it by default
MAX_ERROR = 2e-5  # of OpenCV's logits against torch's, as a fraction of the largest logit

Logits = NDArray[np.float32]
PixelBox = tuple[int, int, int, int]


@dataclass(frozen=True)
class MaskPart:
    """A mask at original size, of which only the part around it is kept.

    Attributes:
        pixels: bool, the part within the box.
        box_xyxy: First column and row of the part, and the ones behind its last; all 0 for an empty mask.
    """

    pixels: Mask
    box_xyxy: PixelBox


EMPTY_PART = MaskPart(np.zeros((0, 0), bool), (0, 0, 0, 0))


def crop_to_mask(pixels: NDArray[np.bool_], first: tuple[int, int]) -> MaskPart:
    """Copy the part around a mask; `first` is the XY of the first of its pixels in the image."""
    left, top, width, height = cv2.boundingRect(pixels.view(np.uint8))
    if not width:
        return EMPTY_PART
    kept = pixels[top : top + height, left : left + width].copy()
    left, top = left + first[0], top + first[1]
    return MaskPart(kept, (left, top, left + width, top + height))


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

    def enlarge(self, logits: Logits, min_stability: float) -> MaskPart | None:
        """Return the mask of logits (M, M); None if its stability is lower than `min_stability`.

        Stability is the IoU of the masks with a threshold that is `STABILITY_OFFSET` higher and lower.
        """
        used = logits[: self._rows.used_cells, : self._columns.used_cells]
        above = used > self._threshold - np.float32(STABILITY_OFFSET)
        touched_rows, touched_columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
        if not len(touched_rows):  # the library divides 0 by 0, which no limit but 0 accepts
            return None if min_stability > 0 else EMPTY_PART
        rows = self._rows.part_around(int(touched_rows[0]), int(touched_rows[-1]) + 1)
        columns = self._columns.part_around(int(touched_columns[0]), int(touched_columns[-1]) + 1)
        enlarged = self._resize(logits, rows, columns)
        if min_stability > 0 and not self._stability(enlarged) >= np.float32(min_stability):
            return None
        mask = self._threshold_exactly(enlarged, logits, rows, columns)
        return crop_to_mask(mask, (columns.first, rows.first))

    def _resize(self, logits: Logits, rows: AxisPart, columns: AxisPart) -> Logits:
        """Resize the part of the logits to the part's pixels; the result lies in a buffer."""
        cells = logits[rows.cells, columns.cells]
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
        high, low = (
            self._count_above(enlarged, self._threshold + np.float32(offset))
            for offset in (STABILITY_OFFSET, -STABILITY_OFFSET)
        )
        return np.float32(high) / np.float32(low) if low else np.float32(np.nan)

    def _count_above(self, enlarged: Logits, threshold: np.float32) -> int:
        above = self._above[: enlarged.size].reshape(enlarged.shape)
        return int(np.count_nonzero(np.greater(enlarged, threshold, out=above)))

    def _threshold_exactly(self, enlarged: Logits, logits: Logits, rows: AxisPart, columns: AxisPart) -> Mask:
        """Compare with the threshold; pixels that are too near to it are computed as torch does."""
        error = np.float32(MAX_ERROR * max(float(logits.max()), -float(logits.min())))
        mask = enlarged > self._threshold + error
        above = self._above[: enlarged.size].reshape(enlarged.shape)
        np.greater(enlarged, self._threshold - error, out=above)
        near = np.flatnonzero(np.not_equal(above, mask, out=above).ravel())
        if len(near):
            y, x = np.divmod(near, enlarged.shape[1])
            mask[y, x] = self._interpolate(logits, y + rows.first, x + columns.first) > self._threshold
        return mask

    def _interpolate(self, logits: Logits, y: NDArray[np.intp], x: NDArray[np.intp]) -> Logits:
        """Return the logits of some pixels, as torch computes them."""
        row, of_row = self._rows.neighbours(y)
        column, of_column = self._columns.neighbours(x)
        cells = logits[
            row[:, :, None, None], column
        ]  # (2, 2, 2, 2, N): canvas row, cell row, canvas column, cell column
        weighted = cells * of_row[:, :, None, None] * of_column
        interpolated: Logits = weighted.sum(axis=(0, 1, 2, 3))
        return interpolated
