"""An embedding as bytes, and back; no pickle.

Format, little-endian:

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

import math
import struct
import zlib
from typing import Any

import numpy as np

from backend.values import ImageEmbedding, Size

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
