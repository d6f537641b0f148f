"""Embeddings of images: from the cache, or from SAM's encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from backend.engine.encoded_image import EncodedImage
from backend.engine.ports import EmbeddingStore, PendingEmbedding, Segmenter
from backend.images import SourceImage
from backend.runtime import timed
from backend.values import EmbeddingSpec, ImageEmbedding


class ImageEncoder:
    """SAM's encoder behind the cache of embeddings.

    Args:
        segmenter: SAM.
        cache: Keeps embeddings.
        fingerprint: Names everything that makes an embedding besides the image: weights, preprocessing, dtype.
    """

    def __init__(self, segmenter: Segmenter, cache: EmbeddingStore, *, fingerprint: str) -> None:
        self._segmenter, self._cache, self._fingerprint = segmenter, cache, fingerprint

    def find(self, image: SourceImage, *, prefetch: bool = False) -> EncodedImage | None:
        """Return the image with its embedding if the cache has it.

        Args:
            prefetch: Whether this is a prefetch (see `runtime.lru`).
        """
        embedding = self._cache.find(self._key(image), self._expect(image), prefetch=prefetch)
        return None if embedding is None else EncodedImage(image, embedding)

    def try_encode(self, image: SourceImage, *, prefetch: bool = False) -> EncodedImage | PendingEmbedding:
        """Encode the image unless another thread or worker is at it; that one's result is then waited for elsewhere."""
        made = self._cache.try_compute(
            self._key(image), self._expect(image), lambda: self._encode(image), prefetch=prefetch
        )
        return EncodedImage(image, made) if isinstance(made, ImageEmbedding) else made

    def encode(self, image: SourceImage) -> EncodedImage:
        """Encode the image, whether the cache has it or not, and leave the cache as it is."""
        return EncodedImage(image, self._encode(image))

    def store(self, encoded: EncodedImage) -> None:
        """Put an embedding into the cache unless it has one or another worker is computing it."""
        self._cache.try_compute(self._key(encoded.image), self._expect(encoded.image), lambda: encoded.embedding)

    @timed("encode")
    def _encode(self, image: SourceImage) -> ImageEmbedding:
        return self._segmenter.encode(image.pixels)

    def has(self, image: SourceImage) -> bool:
        """Whether a click on this image would find its embedding in the cache."""
        return self._cache.holds(self._key(image))

    def _expect(self, image: SourceImage) -> Callable[[], EmbeddingSpec]:
        return partial(self._segmenter.embedding_spec, image.size)

    def _key(self, image: SourceImage) -> str:
        return f"embedding:{self._fingerprint}:{image.digest}"
