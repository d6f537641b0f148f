"""Embeddings as bytes: a safetensors file. No pickle.

    offset  bytes  content
    0       8      N, length of the safetensors header, little-endian
    8       N      safetensors header: JSON, padded with spaces to a multiple of 8 bytes; the sizes and the family are
                   strings in its "__metadata__"
    8 + N          the arrays, C order, little-endian

Safetensors has no checksum: it accepts an array in which a bit has flipped. In Redis the seal covers that.

Example: the array "image_embed", float16 (2, 1, 1) with the values 1.0 and -2.0, of a 640x480 image that was resized to
256x192; 8 + 152 + 4 = 164 bytes. The header is one line; the library writes its metadata in any order.

    00  98 00 00 00 00 00 00 00    N, 152
    08  {"__metadata__":{"family":"sam1","original_size":"640x480","input_size":"256x192"},
        "image_embed":{"dtype":"F16","shape":[2,1,1],"data_offsets":[0,4]}} and two spaces
    a0  00 3c 00 c0                1.0, -2.0

The reader knows what to expect, since an encoder's output for an image of a known size always has the same arrays. It
refuses anything else, and values that are not finite: SAM answers NaN with an empty mask.

Source: https://github.com/huggingface/safetensors#format. The library writes; reading is done here, because the
library's reader copies every array.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from backend.cache.seal import DamagedEntry
from backend.errors import shorten
from backend.values import EmbeddingSpec, ImageEmbedding, Size

CODEC_VERSION = 4
"""Part of every key in Redis, so that two versions never read or delete each other's entries."""

MAX_HEADER_BYTES = 16 << 10  # about 300 bytes are used; parsing JSON takes many times the memory of its text
_LENGTH = struct.Struct("<Q")
_DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_INFINITIES = {  # +inf and -inf as integers; the bits of NaNs are larger than those of the infinity of their sign
    np.dtype("<f2"): ("<i2", 0x7C00, "<u2", 0xFC00),
    np.dtype("<f4"): ("<i4", 0x7F800000, "<u4", 0xFF800000),
}
_HEADER_ERRORS = (struct.error, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


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
    return safetensors.numpy.save(contiguous, metadata)


def decode_embedding(data: bytes | memoryview, expected: EmbeddingSpec) -> ImageEmbedding:
    """Decode an embedding; its arrays are read-only views of `data`, not copies.

    Raises:
        DamagedEntry: Another format, other arrays or sizes than `expected`, or values that are not finite.
    """
    try:
        embedding = _read_safetensors(memoryview(data))
    except _HEADER_ERRORS as error:
        raise DamagedEntry(f"unreadable header: {type(error).__name__}: {shorten(repr(str(error)))}") from error
    if embedding.spec != expected:
        raise DamagedEntry(_describe_difference(embedding.spec, expected))
    name = find_array_that_is_not_finite(embedding)
    if name is not None:
        raise DamagedEntry(f"array {name!r} has values that are not finite")
    return embedding


def find_array_that_is_not_finite(embedding: ImageEmbedding) -> str | None:
    """Return the name of the first array with NaN or infinity; None if there is none.

    Comparing the bits as integers takes a twentieth of the time of `np.isfinite` for float16.
    """
    for name, array in embedding.arrays.items():
        signed, infinity, unsigned, negative_infinity = _INFINITIES[array.dtype]
        if array.size and (array.view(signed).max() >= infinity or array.view(unsigned).max() >= negative_infinity):
            return name
    return None


def _read_safetensors(data: memoryview) -> ImageEmbedding:
    """Read a file without copying its arrays. Raises one of `_HEADER_ERRORS` if it is invalid."""
    (length,) = _LENGTH.unpack_from(data)
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"{length} bytes, more than {MAX_HEADER_BYTES}")
    start = _LENGTH.size + length
    header = json.loads(bytes(data[_LENGTH.size : start]))
    metadata = header.pop("__metadata__")
    original_size, input_size = (_parse_size(metadata[name]) for name in ("original_size", "input_size"))
    arrays = {name: _view_array(data[start:], **entry) for name, entry in header.items()}
    embedding = ImageEmbedding(arrays, original_size, input_size, metadata["family"])
    if start + embedding.nbytes != len(data):
        raise ValueError(f"{len(data)} bytes instead of {start + embedding.nbytes}")
    return embedding


def _view_array(data: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    begin, end = data_offsets
    return np.frombuffer(data[begin:end], _DTYPES[dtype]).reshape(shape)


def _parse_size(text: str) -> Size:
    width, height = text.split("x")
    return Size(int(width), int(height))


def _describe_difference(actual: EmbeddingSpec, expected: EmbeddingSpec) -> str:
    for name in ("family", "original_size", "input_size"):
        if getattr(actual, name) != getattr(expected, name):
            return f"{name} {shorten(repr(str(getattr(actual, name))))} instead of {str(getattr(expected, name))!r}"
    shown = (shorten(repr({n: f"{d} {shape}" for n, (d, shape) in s.arrays.items()})) for s in (actual, expected))
    return "arrays {} instead of {}".format(*shown)
