"""Exact overlaps of encoded regions, counted on their run lengths without painting a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from backend.export.records import EncodedRegion


def measure_ious(regions: Sequence[EncodedRegion], others: Sequence[EncodedRegion]) -> NDArray[np.float64]:
    """Measure the intersection over union of each region with each of the others.

    Args:
        regions, others: All drawn on images of one size.

    Returns:
        float64 (len(regions), len(others)); 0 for a pair without a pixel.
    """
    if not regions or not others:
        return np.zeros((len(regions), len(others)))
    encoded = [[region.segmentation for region in side] for side in (regions, others)]
    ious = coco_mask.iou(encoded[0], encoded[1], [False] * len(others))
    return np.nan_to_num(np.asarray(ious, np.float64), nan=0.0)
