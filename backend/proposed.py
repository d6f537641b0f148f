"""What automatic masks of the last images were, so that a second text on an image does not make them again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.values import Candidate, Mask

MAX_BYTES = 64_000_000  # a hundred masks of 1080p are 26 MB


@dataclass(frozen=True)
class ProposedMasks:
    """The automatic masks of one image, a bit a pixel, and what CLIP sees under each.

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
        """bool (H, W) each."""
        height, width = self.shape
        rows = np.unpackbits(self.packed, axis=1, count=height * width)
        return [row.reshape(height, width).view(bool) for row in rows]


def pack(candidates: Sequence[Candidate], shape: tuple[int, int], image_features: NDArray[np.float32]) -> ProposedMasks:
    """Keep automatic masks; there may be none."""
    rows = [np.packbits(candidate.mask) for candidate in candidates]
    packed = np.stack(rows) if rows else np.zeros((0, -(-shape[0] * shape[1] // 8)), np.uint8)
    return ProposedMasks(packed, shape, tuple(candidate.score for candidate in candidates), image_features)


class ProposedCache:
    """An LRU within `max_bytes`; what is larger than that alone is not kept."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes, self._nbytes = max_bytes, 0
        self._entries: OrderedDict[Hashable, ProposedMasks] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_compute(self, key: Hashable, compute: Callable[[], ProposedMasks]) -> ProposedMasks:
        """What is kept under the key, else what `compute` gives; two threads may compute the same at once."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        found = compute()
        self._put(key, found)
        return found

    def _put(self, key: Hashable, found: ProposedMasks) -> None:
        with self._lock:
            old = self._entries.pop(key, None)
            self._entries[key] = found
            self._nbytes += found.nbytes - (old.nbytes if old else 0)
            while self._nbytes > self._max_bytes:
                self._nbytes -= self._entries.popitem(last=False)[1].nbytes
