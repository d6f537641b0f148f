"""The bytes of a cached embedding: what goes in comes out, nothing that was damaged does, and safetensors agrees."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from backend.cache import DamagedEntry, decode_embedding, encode_embedding
from backend.values import ImageEmbedding, Size
from tests.cache.samples import embedding, same

SIDES = st.integers(1, 2**31)
SIZES = st.builds(Size, SIDES, SIDES)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda name: name != "__metadata__")


def random_bits(dtype: type[np.floating], shape: tuple[int, ...], seed: int) -> np.ndarray:
    """An array in which every bit is random, so that there are NaNs and infinities too."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(np.random.default_rng(seed).bytes(count), dtype).reshape(shape)


SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
ARRAYS = st.builds(random_bits, st.sampled_from([np.float16, np.float32]), SHAPES, st.integers(0, 2**32))
EMBEDDINGS = st.builds(
    ImageEmbedding,
    arrays=st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=4),
    original_size=SIZES,
    input_size=SIZES,
    family=st.sampled_from(["sam1", "sam2", "ein Modell"]),
)
EXAMPLE_HEADER = (
    b'{"__metadata__":{"family":"sam1","original_size":"640x480","input_size":"256x192"},'
    b'"image_embed":{"dtype":"F16","shape":[2,1,1],"data_offsets":[0,4]}}  '
)
EXAMPLE = (
    bytes.fromhex("4c534533 47f550ca 9800000000000000") + EXAMPLE_HEADER + bytes.fromhex("003c 00c0")
)  # the one in the codec's docstring


def with_checksum(payload: bytes) -> bytes:
    return b"LSE3" + struct.pack("<I", zlib.crc32(payload)) + payload


def with_header(header: object) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return with_checksum(struct.pack("<Q", len(text)) + text + bytes(8))


@given(EMBEDDINGS)
def test_decoding_undoes_encoding(value: ImageEmbedding) -> None:
    assert same(decode_embedding(encode_embedding(value)), value)


def test_the_documented_example_is_what_the_codec_reads_and_writes() -> None:
    values = np.array([1.0, -2.0], np.float16).reshape(2, 1, 1)
    value = ImageEmbedding({"image_embed": values}, Size(640, 480), Size(256, 192), "sam1")
    assert len(EXAMPLE) == 172
    assert same(decode_embedding(EXAMPLE), value)
    written = encode_embedding(value)
    assert (len(written), written[:4], written[8:16], written[-4:]) == (172, b"LSE3", EXAMPLE[8:16], EXAMPLE[-4:])
    header = json.loads(written[16:-4])
    assert header == json.loads(EXAMPLE_HEADER)  # safetensors writes the metadata in an order of its own


@given(EMBEDDINGS)
def test_safetensors_reads_the_same_arrays(value: ImageEmbedding) -> None:
    data = encode_embedding(value)
    read, decoded = safetensors.numpy.load(data[8:]), decode_embedding(data).arrays
    assert read.keys() == decoded.keys() == value.arrays.keys()
    for name, array in read.items():
        assert (array.dtype, array.shape) == (decoded[name].dtype, decoded[name].shape)
        assert array.tobytes() == decoded[name].tobytes() == value.arrays[name].tobytes()


@given(EMBEDDINGS, st.data())
def test_a_flipped_bit_is_refused(value: ImageEmbedding, data: st.DataObject) -> None:
    raw = bytearray(encode_embedding(value))
    position = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[position // 8] ^= 1 << position % 8
    with pytest.raises(DamagedEntry):
        decode_embedding(bytes(raw))


def test_no_bit_of_an_entry_is_without_protection() -> None:
    for position in range(8 * len(EXAMPLE)):
        raw = bytearray(EXAMPLE)
        raw[position // 8] ^= 1 << position % 8
        with pytest.raises(DamagedEntry):
            decode_embedding(bytes(raw))


@given(EMBEDDINGS, st.data())
def test_a_truncated_entry_is_refused(value: ImageEmbedding, data: st.DataObject) -> None:
    raw = encode_embedding(value)
    with pytest.raises(DamagedEntry):
        decode_embedding(raw[: data.draw(st.integers(0, len(raw) - 1))])


def test_no_length_but_the_whole_is_accepted() -> None:
    for length in range(len(EXAMPLE)):
        with pytest.raises(DamagedEntry):
            decode_embedding(EXAMPLE[:length])
    with pytest.raises(DamagedEntry):
        decode_embedding(EXAMPLE + b"\0")


def test_safetensors_alone_accepts_what_the_checksum_refuses() -> None:
    flipped = EXAMPLE[:-1] + bytes([EXAMPLE[-1] ^ 1])
    assert safetensors.numpy.load(flipped[8:])["image_embed"][1, 0, 0] != -2.0
    with pytest.raises(DamagedEntry, match=r"CRC-32 [0-9a-f]{8} instead of ca50f547"):
        decode_embedding(flipped)


def test_each_kind_of_damage_is_named() -> None:
    with pytest.raises(DamagedEntry, match="7 bytes, shorter than the prefix of 8"):
        decode_embedding(EXAMPLE[:7])
    with pytest.raises(DamagedEntry, match="magic b'LSEM' instead of b'LSE3'"):
        decode_embedding(b"LSEM" + EXAMPLE[4:])
    with pytest.raises(DamagedEntry, match="unreadable header: KeyError"):
        decode_embedding(with_header({"__metadata__": {}}))


@pytest.mark.parametrize(
    "header",
    [
        b"no JSON",
        b"[" * 100_000,
        [],
        {},
        {"__metadata__": None},
        {"__metadata__": {"family": "sam1", "original_size": "640", "input_size": "256x192"}},
        {"__metadata__": {"family": "sam1", "original_size": 640, "input_size": "256x192"}},
        {"a": {"dtype": "F16", "shape": [9], "data_offsets": [0, 18]}},
        {"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F16", "shape": [2], "data_offsets": [-4, 0]}},
        {"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 2**70]}},
        {"a": {"dtype": "F16", "shape": [2**70], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F16", "shape": [4], "data_offsets": []}},
        {"a": {"dtype": "F16", "shape": [2]}},
        {"a": []},
    ],
)
def test_a_header_that_the_codec_did_not_write_is_refused_even_with_the_right_checksum(header: object) -> None:
    sizes = {"family": "sam1", "original_size": "640x480", "input_size": "256x192"}
    if isinstance(header, dict) and "a" in header:
        header = {"__metadata__": sizes, **header}
    with pytest.raises(DamagedEntry, match="unreadable header"):
        decode_embedding(with_header(header))
    with pytest.raises(DamagedEntry, match="unreadable header"):
        decode_embedding(with_checksum(struct.pack("<Q", 2**63) + b"{}"))


def test_an_embedding_of_sam_takes_two_mebibytes_and_a_header() -> None:
    assert len(encode_embedding(embedding(shape=(256, 64, 64)))) - 2 * 2**20 < 300


def test_decoded_arrays_are_read_only_views_of_the_entry() -> None:
    data = encode_embedding(embedding())
    array = decode_embedding(data).arrays["image_embed"]
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable


def test_an_array_that_is_not_contiguous_is_written_in_c_order() -> None:
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    value = ImageEmbedding({"a": transposed}, Size(1, 1), Size(1, 1), "sam1")
    assert np.array_equal(decode_embedding(encode_embedding(value)).arrays["a"], transposed)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype(">f4"), np.int8])
def test_another_dtype_is_refused_when_it_is_written(dtype) -> None:
    value = ImageEmbedding({"a": np.zeros(2, dtype)}, Size(1, 1), Size(1, 1), "sam1")
    with pytest.raises(ValueError, match=r"Array 'a' must be float16 or float32, but is "):
        encode_embedding(value)
