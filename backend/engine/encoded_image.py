"""An image together with its embedding: what every function of the engine that asks SAM takes."""

from __future__ import annotations

from dataclasses import dataclass

from backend.images import SourceImage
from backend.values import ImageEmbedding


@dataclass(frozen=True)
class EncodedImage:
    """An image and what SAM's encoder made of it."""

    image: SourceImage
    embedding: ImageEmbedding
