"""EmbeddingCache: what SAM's encoder made of an image, computed once for all threads and all workers.

Two tiers: an LRU in the process within a byte budget, and Redis where `REDIS_URL` names one, shared by every worker.
An entry is named by all that made it (model fingerprint, preprocessing version, dtype, SHA-256 of the image's bytes),
so it is never wrong and never needs to be invalidated; it may only be dropped.
"""

from backend.cache.codec import DamagedEntry, decode_embedding, encode_embedding
from backend.cache.counts import CacheCounts
from backend.cache.documents import RedisDocuments
from backend.cache.embeddings import ComputedElsewhere, EmbeddingCache
from backend.cache.redis_client import GuardedRedis
from backend.cache.stores import LocalStore, RedisStore

__all__ = [
    "CacheCounts",
    "ComputedElsewhere",
    "DamagedEntry",
    "EmbeddingCache",
    "GuardedRedis",
    "LocalStore",
    "RedisDocuments",
    "RedisStore",
    "decode_embedding",
    "encode_embedding",
]
