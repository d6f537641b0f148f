"""Rotated rectangles around masks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.polygons import mask_to_rings
from backend.values import Mask

Corners = NDArray[np.float64]  # (4, 2) XY


def mask_to_rotated_box(mask: Mask) -> Corners:
    """Return the rectangle of the smallest area that covers all pixels of a mask, parts and all.

    Pixels are squares: one pixel has a box of one by one. Corners may lie outside the image.

    Args:
        mask: bool (H, W), not empty.

    Returns:
        float (4, 2) XY, the corners in the order of the border.

    Source: cv2.minAreaRect.
    """
    corners = np.concatenate(mask_to_rings(mask)).astype(np.float32)
    return cv2.boxPoints(cv2.minAreaRect(corners)).astype(np.float64)
