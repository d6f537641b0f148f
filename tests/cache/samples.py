"""Embeddings and caches that several tests of the room need."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from backend.cache import (
    ComputedElsewhere,
    EmbeddingCache,
    GuardedRedis,
    LocalStore,
    RedisStore,
    Seal,
    encode_embedding,
)
from backend.cache.stores import redis_key
from backend.values import EmbeddingSpec, ImageEmbedding, Size
from tests.servers import RedisServer


def embedding(value: float = 1.0, shape: tuple[int, int, int] = (4, 2, 2)) -> ImageEmbedding:
    return ImageEmbedding({"image_embed": np.full(shape, value, np.float16)}, Size(640, 480), Size(256, 192), "sam1")


SPEC = embedding().spec


def expect() -> EmbeddingSpec:
    """What every cache of these tests expects in Redis."""
    return SPEC


def sealed(key: str, value: ImageEmbedding, seal: Seal | None = None) -> bytes:
    """The entry of an embedding as it stands in Redis."""
    return (seal or Seal()).add(redis_key(key, seal), encode_embedding(value))


def stored(server: RedisServer, key: str) -> ImageEmbedding | None:
    """The embedding in Redis."""
    return RedisStore(GuardedRedis(server.url, 5.0), 60).get(key, SPEC)


def same(a: ImageEmbedding | None, b: ImageEmbedding | None) -> bool:
    """Equal in every bit, NaNs included; the order of the arrays says nothing."""

    def facts(value: ImageEmbedding) -> object:
        arrays = {name: (array.dtype, array.shape, array.tobytes()) for name, array in value.arrays.items()}
        return arrays, value.original_size, value.input_size, value.family

    return a is not None and b is not None and facts(a) == facts(b)


def cache_on(server: RedisServer, timeout_seconds: float = 5.0) -> EmbeddingCache:
    return EmbeddingCache(LocalStore(10**6), RedisStore(GuardedRedis(server.url, timeout_seconds), 60))


def get_or_compute(
    cache: EmbeddingCache, key: str, compute: Callable[[], ImageEmbedding], *, prefetch: bool = False
) -> ImageEmbedding:
    """Look an embedding up, compute it, or wait for the thread or worker that computes it, as the engine does."""
    value = cache.find(key, expect, prefetch=prefetch)
    while value is None:
        computed = cache.try_compute(key, expect, compute, prefetch=prefetch)
        value = computed.wait(None) if isinstance(computed, ComputedElsewhere) else computed
    return value


class Computes:
    """A compute function that counts its calls."""

    def __init__(self, value: float = 1.0, seconds: float = 0.0) -> None:
        self.value, self.seconds, self.calls = value, seconds, 0
        self._lock = threading.Lock()

    def __call__(self) -> ImageEmbedding:
        with self._lock:
            self.calls += 1
        time.sleep(self.seconds)
        return embedding(self.value)
