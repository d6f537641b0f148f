"""Cache of image embeddings, each computed once for all threads and all workers.

There are two tiers: an in-process LRU with a byte budget and, if `REDIS_URL` is set, Redis, which all workers share. A
key contains everything that an embedding depends on (model fingerprint, preprocessing version, dtype, SHA-256 of the
image's bytes), so an entry never becomes stale; it is never invalidated, only evicted.

What Redis returns is used only if its seal (HMAC or CRC of name and content), its arrays and its sizes are right;
otherwise it is computed again.
"""

from backend.cache.codec import decode_embedding, encode_embedding
from backend.cache.counts import CacheCounts
from backend.cache.documents import RedisDocuments
from backend.cache.embeddings import ComputedElsewhere, EmbeddingCache
from backend.cache.redis_client import GuardedRedis
from backend.cache.run_leases import RunLease
from backend.cache.seal import DamagedEntry, Seal
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
    "RunLease",
    "Seal",
    "decode_embedding",
    "encode_embedding",
]
