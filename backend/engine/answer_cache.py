"""SAM's logits for the clicks that were answered last, so that a further click need not decode them again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.engine.encoded_image import EncodedImage
from backend.runtime import LeastRecentlyUsed
from backend.values import Prompt

MAX_BYTES = 16_000_000  # 256 kB an answer for SAM's published models

Coords = tuple[tuple[float, float], ...]


class AnswerCache:
    """LRU cache of the logits of answered clicks, by image and clicks. Thread-safe.

    An entry depends on nothing else, so an evicted one is only decoded again.
    """

    def __init__(self) -> None:
        self._logits = LeastRecentlyUsed[tuple[object, ...], NDArray[np.float32]](MAX_BYTES, lambda one: one.nbytes)

    def find_last(self, encoded: EncodedImage, prompt: Prompt) -> tuple[int, NDArray[np.float32] | None]:
        """Return length and logits of the longest proper prefix of the clicks that is cached; (0, None) without one."""
        coords, labels = prompt.point_coords, prompt.point_labels
        for count in range(len(coords) - 1, 0, -1):
            logits = self._logits.get((encoded.image.digest, coords[:count], labels[:count]))
            if logits is not None:
                return count, logits
        return 0, None

    def put(self, encoded: EncodedImage, coords: Coords, labels: tuple[int, ...], logits: NDArray[np.float32]) -> None:
        """Keep a copy of the logits, float32 (1, M, M): a view would keep those of all candidates alive."""
        self._logits.put((encoded.image.digest, coords, labels), logits.copy())
