"""Embeddings as bytes: a checksum in front of a safetensors file. No pickle.

    offset  bytes  content
    0       4      magic b"LSE3"
    4       4      CRC-32 of everything that follows, little-endian
    8       8      N, length of the safetensors header, little-endian
    16      N      safetensors header: JSON, padded with spaces to a multiple of 8 bytes; the sizes and the family are
                   strings in its "__metadata__"
    16 + N         the arrays, C order, little-endian

Safetensors has no checksum: it accepts an array in which a bit has flipped. The CRC covers that.

Example: the array "image_embed", float16 (2, 1, 1) with the values 1.0 and -2.0, of a 640x480 image that was resized to
256x192; 4 + 4 + 8 + 152 + 4 = 172 bytes. The header is one line; the library writes its metadata in any order.

    00  4c 53 45 33                "LSE3"
    04  47 f5 50 ca                CRC-32, 0xca50f547
    08  98 00 00 00 00 00 00 00    N, 152
    10  {"__metadata__":{"family":"sam1","original_size":"640x480","input_size":"256x192"},
        "image_embed":{"dtype":"F16","shape":[2,1,1],"data_offsets":[0,4]}} and two spaces
    a8  00 3c 00 c0                1.0, -2.0

Source: https://github.com/huggingface/safetensors#format. The library writes; reading is done here, because the
library's reader copies every array.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from backend.values import ImageEmbedding, Size

CODEC_VERSION = 3
"""Part of the magic and of every key in Redis, so that two versions never read or delete each other's entries."""

_MAGIC = f"LSE{CODEC_VERSION}".encode()
_PREFIX = struct.Struct("<4sI")
_LENGTH = struct.Struct("<Q")
_DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_HEADER_ERRORS = (struct.error, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class DamagedEntry(ValueError):
    """Cached bytes that are not an embedding in this format; the embedding is computed again."""


def encode_embedding(embedding: ImageEmbedding) -> bytes:
    """Encode an embedding in the format above.

    Raises:
        ValueError: An array that is neither float16 nor float32.
    """
    for name, array in embedding.arrays.items():
        if array.dtype not in _DTYPES.values():
            raise ValueError(f"Array {name!r} must be float16 or float32, but is {array.dtype}.")
    metadata = {
        "family": embedding.family,
        "original_size": str(embedding.original_size),
        "input_size": str(embedding.input_size),
    }
    contiguous = {name: np.asarray(array, order="C") for name, array in embedding.arrays.items()}
    payload = safetensors.numpy.save(contiguous, metadata)
    return b"".join((_PREFIX.pack(_MAGIC, zlib.crc32(payload)), payload))


def decode_embedding(data: bytes) -> ImageEmbedding:
    """Decode an embedding; its arrays are read-only views of `data`, not copies.

    Raises:
        DamagedEntry: Another format, or bytes that were truncated or changed.
    """
    payload = _check_prefix(data)
    try:
        arrays, metadata = _read_safetensors(payload)
        original_size, input_size = (_parse_size(metadata[name]) for name in ("original_size", "input_size"))
        return ImageEmbedding(arrays, original_size, input_size, metadata["family"])
    except _HEADER_ERRORS as error:
        raise DamagedEntry(f"unreadable header: {type(error).__name__}: {error}") from error


def _check_prefix(data: bytes) -> memoryview:
    """Verify the magic and the checksum, and return the safetensors file that follows them."""
    if len(data) < _PREFIX.size:
        raise DamagedEntry(f"{len(data)} bytes, shorter than the prefix of {_PREFIX.size}")
    magic, checksum = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise DamagedEntry(f"magic {magic!r} instead of {_MAGIC!r}")
    payload = memoryview(data)[_PREFIX.size :]
    actual = zlib.crc32(payload)
    if actual != checksum:
        raise DamagedEntry(f"CRC-32 {actual:08x} instead of {checksum:08x}")
    return payload


def _read_safetensors(payload: memoryview) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays as views of `payload`, and the metadata."""
    (length,) = _LENGTH.unpack_from(payload)
    start = _LENGTH.size + length
    header = json.loads(bytes(payload[_LENGTH.size : start]))
    metadata = header.pop("__metadata__")
    arrays = {name: _view_array(payload[start:], **entry) for name, entry in header.items()}
    return arrays, metadata


def _view_array(data: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    begin, end = data_offsets
    return np.frombuffer(data[begin:end], _DTYPES[dtype]).reshape(shape)


def _parse_size(text: str) -> Size:
    width, height = text.split("x")
    return Size(int(width), int(height))
