from __future__ import annotations

from backend.cache import EmbeddingCache, LocalStore
from backend.engine import EncodedImage, ImageEncoder
from backend.images import SourceImage
from tests.fakes import FakeSegmenter, png


def test_going_back_to_an_image_finds_its_embedding() -> None:
    encoder = ImageEncoder(FakeSegmenter(), EmbeddingCache(LocalStore(10**6)), fingerprint="one")
    here, there = SourceImage(png(40, 30)), SourceImage(png(40, 30, (90, 0, 0)))
    made = [encoder.try_encode(image) for image in (here, there)]
    for image, encoded in zip((here, there), made, strict=True):
        assert isinstance(encoded, EncodedImage)
        kept = encoder.find(SourceImage(image.data))
        assert kept is not None and kept.embedding is encoded.embedding


def test_an_image_is_cached_after_it_was_encoded() -> None:
    encoder = ImageEncoder(FakeSegmenter(), EmbeddingCache(LocalStore(10**6)), fingerprint="one")
    image = SourceImage(png(40, 30))
    assert not encoder.has(image) and encoder.find(image) is None
    encoder.try_encode(image)
    assert encoder.has(image)


def test_other_weights_never_meet_an_embedding_of_these() -> None:
    cache, image = EmbeddingCache(LocalStore(10**6)), SourceImage(png(40, 30))
    for fingerprint, encodes in (("one", 1), ("two", 1), ("one", 0)):
        segmenter = FakeSegmenter()
        ImageEncoder(segmenter, cache, fingerprint=fingerprint).try_encode(image)
        assert len(segmenter.encoded) == encodes
