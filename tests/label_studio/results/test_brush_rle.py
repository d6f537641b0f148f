"""The brush codec against label_studio_sdk's, both ways, and against masks that a browser saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter.brush import decode_rle, encode_rle, mask2rle

from backend.errors import BadRle
from backend.geometry import mask_to_box
from backend.label_studio.results import brush_box, decode_brush, encode_brush
from backend.values import Mask, Size
from tests.recorded import load_payload

noise = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24))


@st.composite
def blobs(draw: st.DrawFn) -> Mask:
    """Masks with few and long runs, some of them over 65536 words."""
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    mask = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(0, 4))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top, height)), draw(st.integers(left, width))
        mask[top:bottom, left:right] = draw(st.booleans())
    return mask


masks = st.one_of(noise, blobs())


def size_of(mask: Mask) -> Size:
    return Size(mask.shape[1], mask.shape[0])


def sdk_encode(mask: Mask) -> list[int]:
    return mask2rle(mask.astype(np.uint8) * 255)


def sdk_decode(rle: list[int], size: Size) -> Mask:
    return decode_rle(rle).reshape(size.height, size.width, 4)[:, :, 3] > 127


def test_the_worked_example_of_the_docstring() -> None:
    assert encode_brush(np.ones((1, 1), bool)) == [0, 0, 0, 4, 57, 27, 252, 127, 224]


@given(masks)
@settings(deadline=None)
def test_what_is_encoded_decodes_to_the_same_mask(mask: Mask) -> None:
    assert np.array_equal(decode_brush(encode_brush(mask), size_of(mask)), mask)


@given(masks)
@settings(deadline=None)
def test_the_bytes_are_those_of_the_sdk(mask: Mask) -> None:
    assert encode_brush(mask) == sdk_encode(mask)


@given(masks)
@settings(deadline=None)
def test_the_sdk_decodes_what_we_encode(mask: Mask) -> None:
    assert np.array_equal(sdk_decode(encode_brush(mask), size_of(mask)), mask)


@given(masks)
@settings(deadline=None)
def test_the_json_text_of_a_mask_and_its_box_say_the_same(mask: Mask) -> None:
    text = str(encode_brush(mask))
    assert np.array_equal(decode_brush(text, size_of(mask)), mask)
    assert brush_box(text, size_of(mask)) == mask_to_box(mask)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(4))))
@settings(deadline=None)
def test_any_rgba_picture_decodes_to_its_opaque_pixels(picture: np.ndarray) -> None:
    """Painted with a soft brush: channels differ, so that the SDK writes single words."""
    height, width = picture.shape[:2]
    rle = encode_rle(picture.ravel())
    assert np.array_equal(decode_brush(rle, Size(width, height)), picture[:, :, 3] >= 128)


def pack(*fields: tuple[int, int]) -> list[int]:
    """Bytes from (value, bits), as the format says."""
    bits = "".join(f"{value:0{width}b}" for value, width in fields)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def header(word_count: int, word_bits: int = 8, sizes: tuple[int, ...] = (3, 4, 8, 16)) -> list[tuple[int, int]]:
    return [(word_count, 32), (word_bits - 1, 5), *((size - 1, 4) for size in sizes)]


def test_literal_runs_longer_than_one_are_read() -> None:
    """As the browser's packer writes them and the SDK's never does: 8 words that differ, then 4 that repeat."""
    words = [1, 2, 3, 200, 5, 6, 7, 100]
    rle = pack(*header(12), (0, 1), (0, 2), (7, 3), *((word, 8) for word in words), (1, 1), (0, 2), (3, 3), (255, 8))
    assert decode_brush(rle, Size(3, 1)).tolist() == [[True, False, True]]
    assert sdk_decode(rle, Size(3, 1)).tolist() == [[True, False, True]]


def test_other_rle_sizes_than_the_usual_are_read() -> None:
    rle = pack(*header(8, sizes=(1, 2, 5, 9)), (1, 1), (2, 2), (3, 5), (0, 8), (1, 1), (1, 2), (3, 2), (255, 8))
    assert decode_brush(rle, Size(2, 1)).tolist() == [[False, True]]


@pytest.mark.parametrize("name", ["annotation_after_submit", "annotation_from_prediction"])
def test_masks_that_a_browser_saved_decode_as_the_sdk_decodes_them(name: str) -> None:
    document: Any = load_payload(name)
    results = (document if isinstance(document, dict) else document[0])["result"]
    brushes = [result for result in results if result["type"] == "brushlabels"]
    assert brushes
    for result in brushes:
        rle, size = result["value"]["rle"], Size(result["original_width"], result["original_height"])
        mask = decode_brush(rle, size)
        assert 0 < mask.sum() < mask.size
        assert np.array_equal(mask, sdk_decode(rle, size))
        assert encode_brush(mask) == rle


@pytest.mark.parametrize("end", [0, 6, 7, 9, 20, -3, -2])
def test_a_truncated_mask_is_refused(end: int) -> None:
    mask = np.zeros((30, 40), bool)
    mask[3:20, 5:30] = True
    rle = encode_brush(mask)
    with pytest.raises(BadRle, match=r"truncated: .* bytes.*draw it again"):
        decode_brush(rle[:end], Size(40, 30))


def test_a_mask_of_another_size_is_refused_with_both_sizes() -> None:
    rle = encode_brush(np.ones((2, 3), bool))
    with pytest.raises(
        BadRle, match=r"holds 24 values, but an image of 3x3 pixels has 36.*original_width.*draw it again"
    ):
        decode_brush(rle, Size(3, 3))


def test_runs_that_end_beyond_the_picture_are_refused() -> None:
    rle = pack(*header(4), (1, 1), (0, 2), (7, 3), (255, 8))
    with pytest.raises(BadRle, match="needs 4 values, but its runs end at 8"):
        decode_brush(rle, Size(1, 1))


def test_words_of_another_size_are_refused() -> None:
    with pytest.raises(BadRle, match="words of 16 bits instead of 8"):
        decode_brush(pack(*header(4, word_bits=16), (0, 32)), Size(1, 1))


@pytest.mark.parametrize("rle", [[0, 0, 0, 4, 57, 27, 256], [0, -1], ["a"], [1.5], [None]])
def test_what_is_not_a_byte_is_refused(rle: list[Any]) -> None:
    with pytest.raises(BadRle, match="integers from 0 to 255"):
        decode_brush(rle, Size(1, 1))


@pytest.mark.parametrize("rle", ["0004", 12, None, {"a": 1}])
def test_what_is_not_a_list_is_refused(rle: Any) -> None:
    with pytest.raises(BadRle, match=f"must be a list of bytes, but is {type(rle).__name__}"):
        decode_brush(rle, Size(1, 1))


@pytest.mark.parametrize("text", ["[0, 0", "[01]", "[,]", "[ü]"])
def test_a_text_that_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(BadRle, match="not a list of numbers"):
        decode_brush(text, Size(1, 1))


@given(st.lists(st.integers(0, 255), max_size=60), st.integers(1, 8), st.integers(1, 8))
def test_random_bytes_are_a_mask_or_a_refusal(rle: list[int], width: int, height: int) -> None:
    start = [0, 0, 0, width * height * 4, 57, 27, 248]
    try:
        assert decode_brush(start + rle, Size(width, height)).shape == (height, width)
    except BadRle as error:
        assert "draw it again" in error.remedy


@pytest.mark.parametrize("mask", [np.zeros((2, 2), np.uint8), np.zeros((0, 4), bool), np.zeros(4, bool)])
def test_what_is_not_a_mask_is_not_encoded(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"A mask must be bool \(H, W\)"):
        encode_brush(mask)


@pytest.mark.parametrize("case", load_payload("thi_ng_rle_pack"), ids=lambda case: case["kind"])
def test_pictures_packed_by_thi_ng_are_read(case: dict[str, Any]) -> None:
    """Packed by @thi.ng/rle-pack itself, which Label Studio's front end uses; the runs are of alpha >= 128."""
    assert np.array_equal(decode_brush(case["rle"], Size(case["width"], case["height"])), mask_of(case))


def mask_of(case: dict[str, Any]) -> Mask:
    runs = case["run_lengths"]
    values = [case["first_is_mask"] ^ bool(at % 2) for at in range(len(runs))]
    return np.repeat(values, runs).reshape(case["height"], case["width"])


@pytest.mark.parametrize("case", load_payload("thi_ng_judges_us"), ids=lambda case: case["kind"])
def test_thi_ng_reads_what_we_write_and_we_read_what_it_writes(case: dict[str, Any]) -> None:
    """Recorded from @thi.ng/rle-pack by `record_thi_ng`; a word for each channel of each pixel."""
    mask = mask_of(case)
    assert encode_brush(mask) == case["ours"], "other bytes than thi.ng was asked about: record them anew"
    read = case["read_by_thi_ng"]
    assert read["first_word"] == (255 if mask.flat[0] else 0)
    assert read["run_lengths"] == [4 * length for length in case["run_lengths"]]
    assert np.array_equal(decode_brush(case["packed_by_thi_ng"], size_of(mask)), mask)
