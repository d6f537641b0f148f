"""Masks as prompts: SAM reads a mask as the low-resolution logits of an earlier answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.geometry import signed_distance

LOGITS_PER_PIXEL = 2.0  # of a mask that becomes a prompt: by the distance from its border, in low-resolution pixels
MAX_MASK_LOGIT = 15.0


def coverage_to_logits(coverage: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert the share of each low-resolution pixel that a mask covers, (M, M), to logits (1, M, M).

    They are `LOGITS_PER_PIXEL` times the signed distance from the border, at most `MAX_MASK_LOGIT`.
    """
    half = min(0.5, coverage.max() / 2)  # a thin mask nowhere covers half of a low-resolution pixel
    distance = signed_distance(coverage >= half)
    at_border = abs(distance) <= 0.5  # their coverage tells where in the pixel the border runs
    logits = np.where(at_border, coverage - half, distance) * LOGITS_PER_PIXEL
    return logits.clip(-MAX_MASK_LOGIT, MAX_MASK_LOGIT)[None].astype(np.float32, copy=False)
