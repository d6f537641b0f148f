"""Predictions on their way to Label Studio, encoded once and grouped into chunks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.label_studio.config import SHAPES
from backend.label_studio.results import kind_of_region

MEGABYTE = 1_000_000


@dataclass
class EncodedPrediction:
    """The prediction of a task as it is sent.

    Attributes:
        document: JSON.
        has_mask: Whether one of its results is a shape.
        sends: How many requests have named it.
    """

    task: int
    document: bytes
    has_mask: bool
    sends: int = 0


Chunk = list[EncodedPrediction]


@dataclass(frozen=True)
class ChunkLimits:
    """When a chunk is full: by tasks, by bytes, or because its first prediction has waited long enough.

    Label Studio's cost of a request hardly depends on its size, so large chunks are much cheaper; the time bounds what
    a killed process loses.
    """

    max_tasks: int = 500
    max_bytes: int = 20 * MEGABYTE
    max_seconds: float = 60.0


@dataclass
class ChunkBuilder:
    """The chunk that is being filled."""

    limits: ChunkLimits = ChunkLimits()
    clock: Callable[[], float] = time.monotonic
    _chunk: Chunk = field(default_factory=list)
    _nbytes: int = 0
    _since: float = 0.0

    def add(self, prediction: EncodedPrediction) -> Chunk:
        """Add a prediction; return the chunk before it if both together would have too many bytes, else []."""
        full: Chunk = []
        if self._chunk and self._nbytes + len(prediction.document) > self.limits.max_bytes:
            full = self.take()
        if not self._chunk:
            self._since = self.clock()
        self._chunk.append(prediction)
        self._nbytes += len(prediction.document) + 1
        return full

    @property
    def is_due(self) -> bool:
        """Whether the chunk should be sent now."""
        is_full = len(self._chunk) >= self.limits.max_tasks or self._nbytes >= self.limits.max_bytes
        return bool(self._chunk) and (is_full or self.clock() - self._since >= self.limits.max_seconds)

    def take(self) -> Chunk:
        """Return the chunk, which may be empty, and begin a new one."""
        chunk, self._chunk, self._nbytes = self._chunk, [], 0
        return chunk


def encode_prediction(task: int, prediction: Mapping[str, Any], version: str) -> EncodedPrediction:
    """Encode a task's prediction.

    Raises:
        KeyError, TypeError, ValueError: It is no prediction, or cannot be written as JSON.
    """
    document = {**prediction, "task": task, "model_version": version}
    encoded = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    has_mask = any(kind_of_region(result) in SHAPES for result in prediction["result"])
    return EncodedPrediction(task, encoded, has_mask)


def halve(chunk: Sequence[EncodedPrediction]) -> list[Chunk]:
    """Return the two halves of a chunk, or the chunk itself if it has a single prediction."""
    middle = len(chunk) // 2
    return [list(half) for half in (chunk[:middle], chunk[middle:]) if half]
