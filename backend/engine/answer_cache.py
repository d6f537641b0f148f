"""SAM's logits for the prompts that were answered last, so that a further click need not decode them again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.engine.encoded_image import EncodedImage
from backend.runtime import LeastRecentlyUsed
from backend.values import Prompt

MAX_BYTES = 16_000_000  # 256 kB an answer for SAM's published models


class AnswerCache:
    """LRU cache of the logits of answered boxes and clicks, by image, box and clicks. Thread-safe.

    An entry depends on nothing else, so an evicted one is only decoded again.
    """

    def __init__(self) -> None:
        self._logits = LeastRecentlyUsed[tuple[object, ...], NDArray[np.float32]](MAX_BYTES, lambda one: one.nbytes)

    def find_last(self, encoded: EncodedImage, prompt: Prompt) -> tuple[int, NDArray[np.float32] | None]:
        """Return the number of clicks and the logits of the longest shorter prompt that is cached.

        It has the same box and the first of the clicks; of a box none, if only the box was answered. (0, None) if there
        is no such prompt.
        """
        fewest = 1 if prompt.box_xyxy is None else 0
        for count in range(len(prompt.point_coords) - 1, fewest - 1, -1):
            logits = self._logits.get(_name(encoded, first_clicks(prompt, count)))
            if logits is not None:
                return count, logits
        return 0, None

    def put(self, encoded: EncodedImage, prompt: Prompt, logits: NDArray[np.float32]) -> None:
        """Keep a copy of the logits, float32 (1, M, M): a view would keep those of all candidates alive."""
        self._logits.put(_name(encoded, prompt), logits.copy())


def first_clicks(prompt: Prompt, count: int, max_count: int | None = None) -> Prompt:
    """Return a prompt with its first clicks only.

    Args:
        max_count: Of more clicks the first one and the last ones are taken.
    """
    coords, labels = prompt.point_coords[:count], prompt.point_labels[:count]
    if max_count is not None and count > max_count:
        start = count - max_count + 1
        coords, labels = (*coords[:1], *coords[start:]), (*labels[:1], *labels[start:])
    return replace(prompt, point_coords=coords, point_labels=labels)


def _name(encoded: EncodedImage, prompt: Prompt) -> tuple[object, ...]:
    return encoded.image.digest, prompt.box_xyxy, prompt.point_coords, prompt.point_labels
