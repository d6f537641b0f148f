"""Automatic masks of an image packed to one bit a pixel, kept for the next text on the same image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.values import Candidate, Mask

MAX_BYTES = 64_000_000  # a hundred masks of 1080p are 26 MB


@dataclass(frozen=True)
class ProposedMasks:
    """The automatic masks of one image, one bit a pixel, with the CLIP features of each.

    Attributes:
        packed: uint8 (N, ceil(H * W / 8)).
        shape: (H, W).
        scores: SAM's predicted IoU of each.
        image_features: float32 (N, D), unit vectors.
    """

    packed: NDArray[np.uint8]
    shape: tuple[int, int]
    scores: tuple[float, ...]
    image_features: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return int(self.packed.nbytes + self.image_features.nbytes)

    def masks(self) -> list[Mask]:
        """Unpack the masks, each bool (H, W)."""
        height, width = self.shape
        rows = np.unpackbits(self.packed, axis=1, count=height * width)
        return [row.reshape(height, width).view(bool) for row in rows]


def pack(candidates: Sequence[Candidate], shape: tuple[int, int], image_features: NDArray[np.float32]) -> ProposedMasks:
    """Pack automatic masks; the list may be empty."""
    rows = [np.packbits(candidate.mask) for candidate in candidates]
    packed = np.stack(rows) if rows else np.zeros((0, -(-shape[0] * shape[1] // 8)), np.uint8)
    return ProposedMasks(packed, shape, tuple(candidate.score for candidate in candidates), image_features)
