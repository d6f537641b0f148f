"""The bytes of a cached embedding: what goes in comes out, nothing unexpected does, and safetensors agrees."""

from __future__ import annotations

import json
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from backend.cache import DamagedEntry, decode_embedding, encode_embedding
from backend.cache.codec import find_array_that_is_not_finite
from backend.values import ImageEmbedding, Size
from tests.cache.samples import embedding, same

SIDES = st.integers(1, 2**31)
SIZES = st.builds(Size, SIDES, SIDES)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda name: name != "__metadata__")


def random_bits(dtype: type[np.floating], shape: tuple[int, ...], seed: int) -> np.ndarray:
    """An array in which every bit is random, but without NaNs and infinities."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    array = np.frombuffer(np.random.default_rng(seed).bytes(count), dtype).reshape(shape)
    return np.where(np.isfinite(array), array, dtype(-0.0)).astype(dtype)


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
    bytes.fromhex("9800000000000000") + EXAMPLE_HEADER + bytes.fromhex("003c 00c0")
)  # the one in the codec's docstring


EXAMPLE_VALUE = ImageEmbedding(
    {"image_embed": np.array([1.0, -2.0], np.float16).reshape(2, 1, 1)}, Size(640, 480), Size(256, 192), "sam1"
)


def with_header(header: object) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


@given(EMBEDDINGS)
def test_decoding_undoes_encoding(value: ImageEmbedding) -> None:
    assert same(decode_embedding(encode_embedding(value), value.spec), value)


def test_the_documented_example_is_what_the_codec_reads_and_writes() -> None:
    assert len(EXAMPLE) == 164
    assert same(decode_embedding(EXAMPLE, EXAMPLE_VALUE.spec), EXAMPLE_VALUE)
    written = encode_embedding(EXAMPLE_VALUE)
    assert (len(written), written[:8], written[-4:]) == (164, EXAMPLE[:8], EXAMPLE[-4:])
    assert json.loads(written[8:-4]) == json.loads(EXAMPLE_HEADER)  # the metadata is written in any order


@given(EMBEDDINGS)
def test_safetensors_reads_the_same_arrays(value: ImageEmbedding) -> None:
    data = encode_embedding(value)
    read, decoded = safetensors.numpy.load(data), decode_embedding(data, value.spec).arrays
    assert read.keys() == decoded.keys() == value.arrays.keys()
    for name, array in read.items():
        assert (array.dtype, array.shape) == (decoded[name].dtype, decoded[name].shape)
        assert array.tobytes() == decoded[name].tobytes() == value.arrays[name].tobytes()


@given(EMBEDDINGS, st.data())
def test_a_truncated_entry_is_refused(value: ImageEmbedding, data: st.DataObject) -> None:
    raw = encode_embedding(value)
    with pytest.raises(DamagedEntry):
        decode_embedding(raw[: data.draw(st.integers(0, len(raw) - 1))], value.spec)


def test_no_length_but_the_whole_is_accepted() -> None:
    for length in range(len(EXAMPLE)):
        with pytest.raises(DamagedEntry):
            decode_embedding(EXAMPLE[:length], EXAMPLE_VALUE.spec)
    with pytest.raises(DamagedEntry, match="165 bytes instead of 164"):
        decode_embedding(EXAMPLE + b"\0", EXAMPLE_VALUE.spec)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"family": "sam2"}, "family 'sam1' instead of 'sam2'"),
        ({"original_size": Size(480, 640)}, "original_size '640x480' instead of '480x640'"),
        ({"input_size": Size(256, 191)}, "input_size '256x192' instead of '256x191'"),
        ({"arrays": {"image_embed": (np.dtype(np.float16), (1, 2, 1))}}, "arrays {'image_embed': 'float16 (2, 1, 1)'}"),
        ({"arrays": {"image_embed": (np.dtype(np.float32), (2, 1, 1))}}, "arrays {'image_embed': 'float16 (2, 1, 1)'}"),
        ({"arrays": {"other": (np.dtype(np.float16), (2, 1, 1))}}, "arrays {'image_embed': 'float16 (2, 1, 1)'}"),
        ({"arrays": {}}, "arrays {'image_embed': 'float16 (2, 1, 1)'} instead of {}"),
    ],
)
def test_another_embedding_than_the_expected_one_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(DamagedEntry) as refused:
        decode_embedding(EXAMPLE, replace(EXAMPLE_VALUE.spec, **changes))
    assert says in str(refused.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_every_value_that_numpy_calls_not_finite_is_refused_and_no_other(dtype: type[np.floating]) -> None:
    integer = np.uint16 if dtype is np.float16 else np.uint32
    bits = np.arange(2**16, dtype=integer) << (8 * np.dtype(integer).itemsize - 16)
    refused = 0
    for value in np.concatenate([bits, bits + integer(1)]).view(dtype):
        one = replace(EXAMPLE_VALUE, arrays={"a": np.array([1, value, -1], dtype)})
        is_refused = find_array_that_is_not_finite(one) == "a"
        assert is_refused == (not np.isfinite(value))
        refused += is_refused
    assert refused > 500


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_an_entry_with_a_value_that_is_not_finite_is_refused(value: float, dtype: type[np.floating]) -> None:
    array = np.zeros((2, 3, 3), dtype)
    array[1, 2, 0] = value
    broken = replace(EXAMPLE_VALUE, arrays={"fine": np.ones(2, dtype), "image_embed": array})
    with pytest.raises(DamagedEntry, match="array 'image_embed' has values that are not finite"):
        decode_embedding(encode_embedding(broken), broken.spec)


def test_a_header_that_claims_gigabytes_allocates_nothing() -> None:
    header = {"a": {"dtype": "F16", "shape": [2**31, 2], "data_offsets": [0, 2**33]}}
    metadata = {"family": "sam1", "original_size": "1x1", "input_size": "1x1"}
    entries = [with_header({"__metadata__": metadata, **header}), struct.pack("<Q", 2**40) + bytes(100)]
    tracemalloc.start()
    try:
        for data in entries:
            with pytest.raises(DamagedEntry, match="unreadable header"):
                decode_embedding(data, EXAMPLE_VALUE.spec)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10**6


def test_a_header_longer_than_any_that_is_written_is_not_parsed() -> None:
    with pytest.raises(DamagedEntry, match=r"100000 bytes, more than 16384"):
        decode_embedding(with_header(b"[" * 100_000), EXAMPLE_VALUE.spec)


@pytest.mark.parametrize(
    "header",
    [
        b"no JSON",
        b"[" * 10_000,
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
def test_a_header_that_the_codec_did_not_write_is_refused(header: object) -> None:
    sizes = {"family": "sam1", "original_size": "640x480", "input_size": "256x192"}
    if isinstance(header, dict) and "a" in header:
        header = {"__metadata__": sizes, **header}
    with pytest.raises(DamagedEntry, match="unreadable header"):
        decode_embedding(with_header(header), EXAMPLE_VALUE.spec)
    with pytest.raises(DamagedEntry, match="unreadable header"):
        decode_embedding(struct.pack("<Q", 2**63) + b"{}", EXAMPLE_VALUE.spec)


def test_an_embedding_of_sam_takes_two_mebibytes_and_a_header() -> None:
    assert len(encode_embedding(embedding(shape=(256, 64, 64)))) - 2 * 2**20 < 300


def test_decoded_arrays_are_read_only_views_of_the_entry() -> None:
    data = encode_embedding(embedding())
    array = decode_embedding(data, embedding().spec).arrays["image_embed"]
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable


def test_an_array_that_is_not_contiguous_is_written_in_c_order() -> None:
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    value = ImageEmbedding({"a": transposed}, Size(1, 1), Size(1, 1), "sam1")
    assert np.array_equal(decode_embedding(encode_embedding(value), value.spec).arrays["a"], transposed)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype(">f4"), np.int8])
def test_another_dtype_is_refused_when_it_is_written(dtype) -> None:
    value = ImageEmbedding({"a": np.zeros(2, dtype)}, Size(1, 1), Size(1, 1), "sam1")
    with pytest.raises(ValueError, match=r"Array 'a' must be float16 or float32, but is "):
        encode_embedding(value)
