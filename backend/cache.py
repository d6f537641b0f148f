"""EmbeddingCache: what SAM's encoder made of an image, computed once for all threads and all workers.

Two tiers: an LRU in the process within a byte budget, and Redis where `REDIS_URL` names one, shared by every worker.
An entry is named by all that made it (model fingerprint, preprocessing version, dtype, SHA-256 of the image's bytes),
so it is never wrong and never needs to be invalidated; it may only be dropped.

Format of a value, little-endian, no pickle:

    offset  bytes  what
    0       4      magic b"LSEM"
    4       2      format version, 2
    6       2      dtype: 1 float16, 2 float32
    8       3 x 4  shape C, S, S
    20      4 x 4  original width, height; input width, height
    36      4      CRC-32 of everything before and behind it
    40             the features, C order

Example: SAM's (256, 64, 64) float16 makes 40 + 2 097 152 bytes.
"""

from __future__ import annotations

import logging
import math
import struct
import threading
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import redis

from backend.values import ImageEmbedding, Size

log = logging.getLogger(__name__)

_FACTS = struct.Struct("<4sHH3I4I")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = _FACTS.size + _CHECKSUM.size
_MAGIC, _VERSION = b"LSEM", 2
_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f2"), 2: np.dtype("<f4")}
_CODES = {np.dtype(np.float16): 1, np.dtype(np.float32): 2}


class DamagedEntry(ValueError):
    """Bytes in the cache that are not what was put there; the entry is computed again."""


def to_bytes(embedding: ImageEmbedding) -> bytes:
    """Write an embedding in the format above."""
    features = np.ascontiguousarray(embedding.features)
    original, resized = embedding.original_size, embedding.input_size
    sizes = (original.width, original.height, resized.width, resized.height)
    raw = features.data.cast("B")
    facts = _FACTS.pack(_MAGIC, _VERSION, _CODES[features.dtype], *features.shape, *sizes)
    return b"".join((facts, _CHECKSUM.pack(zlib.crc32(raw, zlib.crc32(facts))), raw))


def from_bytes(data: bytes) -> ImageEmbedding:
    """Read an embedding; the features are a read-only view of `data`, not a copy.

    Raises:
        DamagedEntry: Not this format, cut short, or changed on the way.
    """
    if len(data) < _HEADER_BYTES:
        raise DamagedEntry(f"{len(data)} bytes, shorter than the header of {_HEADER_BYTES}")
    magic, version, code, *shape, width, height, input_width, input_height = _FACTS.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or code not in _DTYPES:
        raise DamagedEntry(f"magic {magic!r}, version {version}, dtype {code}")
    view = memoryview(data)
    raw, (checksum,) = view[_HEADER_BYTES:], _CHECKSUM.unpack_from(data, _FACTS.size)
    found = zlib.crc32(raw, zlib.crc32(view[: _FACTS.size]))
    if found != checksum or len(raw) != math.prod(shape) * _DTYPES[code].itemsize:
        raise DamagedEntry(f"{len(raw)} bytes of features of shape {shape} do not match their checksum")
    features = np.frombuffer(raw, dtype=_DTYPES[code]).reshape(shape)
    return ImageEmbedding(features, Size(width, height), Size(input_width, input_height))


@dataclass
class CacheCounts:
    """What happened so far; read by the metrics and the status page."""

    local_hits: int = 0
    redis_hits: int = 0
    computed: int = 0
    redis_errors: int = 0
    damaged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)


class LocalStore:
    """An LRU of embeddings in this process within `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, ImageEmbedding] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> ImageEmbedding | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: str, embedding: ImageEmbedding) -> None:
        with self._lock:
            old = self._entries.pop(key, None)
            self._nbytes -= old.nbytes if old else 0
            self._entries[key] = embedding
            self._nbytes += embedding.nbytes
            while self._nbytes > self._max_bytes and self._entries:
                self._nbytes -= self._entries.popitem(last=False)[1].nbytes

    @property
    def nbytes(self) -> int:
        return self._nbytes


class RedisStore:
    """Embeddings in Redis, and leases that let one worker compute while the others wait.

    Any failure (down, slow, full, damaged bytes) is warned of once an outage, counted, and answered as a miss; for
    `pause_seconds` Redis is then left alone, so that an outage costs one timeout and not one for each click. A Redis
    that answers but refuses (it is full, it is read-only) is not an outage: what it holds is still read.
    """

    lease_seconds = 10.0
    pause_seconds = 2.0

    def __init__(self, url: str, ttl_seconds: int, timeout_seconds: float, counts: CacheCounts) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry_on_timeout=False
        )
        self._ttl_seconds = ttl_seconds
        self._counts = counts
        self._paused_until = 0.0
        self._failing = False
        self._refusing = False
        self._renewal = self._redis.register_script(
            "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
        )
        self._release = self._redis.register_script(
            "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
        )

    @property
    def healthy(self) -> bool:
        return not self._failing

    def get(self, key: str) -> ImageEmbedding | None:
        data = self._ask(lambda: self._redis.get(key))
        if data is None:
            return None
        try:
            return from_bytes(data)
        except DamagedEntry as error:
            self._counts.add("damaged")
            log.warning("Redis returned a damaged entry for %s (%s); it is computed again.", key, error)
            self._ask(lambda: self._redis.delete(key))
            return None

    def put(self, key: str, embedding: ImageEmbedding) -> None:
        if self._ask(lambda: self._redis.set(key, to_bytes(embedding), ex=self._ttl_seconds)):
            self._refusing = False

    def ping(self) -> bool:
        """Whether Redis answers now."""
        return bool(self._ask(lambda: self._redis.ping()))

    @contextmanager
    def lease(self, key: str) -> Iterator[bool]:
        """Try to become the one who computes `key`. Yields whether that worked, True also when Redis is away.

        The lease ends by itself soon after its holder dies, and is renewed while its holder computes.
        """
        name, token = f"{key}:lease", uuid.uuid4().hex
        milliseconds = int(self.lease_seconds * 1000)
        held = self._ask(lambda: self._redis.set(name, token, nx=True, px=milliseconds) or False)
        if held is False:
            yield False
            return
        done = threading.Event()
        if held:
            threading.Thread(target=self._renew, args=(name, token, milliseconds, done), daemon=True).start()
        try:
            yield True
        finally:
            done.set()
            if held:
                self._ask(lambda: self._release(keys=[name], args=[token]))

    def _renew(self, name: str, token: str, milliseconds: int, done: threading.Event) -> None:
        while not done.wait(self.lease_seconds / 3):
            self._ask(lambda: self._renewal(keys=[name], args=[token, milliseconds]))

    def _ask(self, question: Callable[[], Any]) -> Any:
        if time.monotonic() < self._paused_until:
            return None
        try:
            answer = question()
        except redis.ResponseError as error:
            self._counts.add("redis_errors")
            if not self._refusing:
                log.warning("Redis refuses (%s); what it does not keep is computed again by whoever needs it.", error)
            self._refusing = True
            return None
        except Exception as error:  # a helper: whatever its client library trips over, the answer does not need it
            self._counts.add("redis_errors")
            self._paused_until = time.monotonic() + self.pause_seconds
            if not self._failing:
                log.warning("Redis does not answer (%s); embeddings are computed here until it is back.", error)
            self._failing = True
            return None
        if self._failing:
            log.warning("Redis is back.")
            self._failing = False
        return answer


class EmbeddingCache:
    """Get an embedding or compute it once.

    Args:
        local: This process's tier.
        shared: Redis, or None.
    """

    poll_seconds = 0.02

    def __init__(self, local: LocalStore, shared: RedisStore | None = None, counts: CacheCounts | None = None) -> None:
        self._local, self._shared = local, shared
        self.counts = counts or CacheCounts()
        self._computing: dict[str, Future[ImageEmbedding]] = {}
        self._lock = threading.Lock()

    def get_or_compute(self, key: str, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        """Return the embedding named `key`; of several threads and workers that miss at once, one computes it.

        Raises:
            Whatever `compute` raises, to all who waited for it; the next caller tries anew.
        """
        found = self._local.get(key)
        if found is not None:
            self.counts.add("local_hits")
            return found
        with self._lock:
            future = self._computing.get(key)
            if future is None:
                mine = self._computing[key] = Future()
        if future is not None:
            return future.result()
        try:
            mine.set_result(self._find_or_compute(key, compute))
        except BaseException as error:  # for those who wait for it too; it is raised below
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._computing[key]
        return mine.result()

    def holds(self, key: str) -> bool:
        """Whether `key` is in this process's tier or in Redis."""
        return self._local.get(key) is not None or (self._shared is not None and self._shared.get(key) is not None)

    @property
    def nbytes(self) -> int:
        return self._local.nbytes

    @property
    def description(self) -> str:
        """Where embeddings are kept, in words."""
        if self._shared is None:
            return "in this process"
        return "in Redis" if self._shared.healthy else "in this process, because Redis does not answer"

    def _find_or_compute(self, key: str, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        found = self._local.get(key)  # somebody may have been done just before this thread became the one
        if found is not None:
            self.counts.add("local_hits")
            return found
        embedding = self._from_shared_or_compute(key, compute)
        self._local.put(key, embedding)
        return embedding

    def _from_shared_or_compute(self, key: str, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        if self._shared is None:
            return self._compute(compute)
        while True:
            found = self._shared.get(key)
            if found is not None:
                self.counts.add("redis_hits")
                return found
            with self._shared.lease(key) as mine:
                if mine:
                    embedding = self._shared.get(key) or self._compute(compute)
                    self._shared.put(key, embedding)
                    return embedding
            time.sleep(self.poll_seconds)

    def _compute(self, compute: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        embedding = compute()
        self.counts.add("computed")
        return embedding
