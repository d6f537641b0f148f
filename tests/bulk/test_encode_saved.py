"""A saved region is encoded without painting exactly as its painted mask is, however its RLE was written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter.brush import encode_rle

from backend.bulk import encode_saved_region
from backend.errors import BackendError, BadRle
from backend.export import EncodedRegion, encode_region
from backend.geometry import PixelRuns
from backend.label_studio.results import SavedRegion, decode_brush, encode_brush
from backend.values import Mask, Size

Record = tuple[bool, int, list[int]]  # whether one word is repeated, which rle size, the words


def saved_brush(rle: Any, size: Size, **fields: Any) -> SavedRegion:
    shape = {
        "id": "r1",
        "type": "brushlabels",
        "from_name": "brush",
        "original_width": size.width,
        "original_height": size.height,
        "value": {"format": "rle", "rle": rle, "brushlabels": ["Cat"]},
        **fields,
    }
    return SavedRegion("r1", "brush", shape, [shape])


def encode_painted(saved: SavedRegion) -> EncodedRegion:
    """The route over pixels: the decoded mask through pycocotools."""
    region = saved.decode()
    return encode_region(region.mask, region.label, region.region_id, score=region.score, kind=region.kind)


@st.composite
def records_of_any_kind(draw: st.DrawFn) -> tuple[list[int], tuple[int, ...], list[Record]]:
    """Words of 0 to 255 in runs and literals, with counts in any four widths: (words, rle sizes, records)."""
    rle_sizes = draw(st.tuples(*[st.integers(1, 16)] * 4))
    records: list[Record] = []
    for _ in range(draw(st.integers(0, 12))):
        is_repeated, which = draw(st.booleans()), draw(st.integers(0, 3))
        count = draw(st.integers(1, min(1 << rle_sizes[which], 90 if is_repeated else 9)))
        word = st.sampled_from([0, 1, 127, 128, 254, 255])
        words = [draw(word)] * count if is_repeated else draw(st.lists(word, min_size=count, max_size=count))
        records.append((is_repeated, which, words))
    words = [word for _, _, part in records for word in part]
    missing = -len(words) % 4 or (0 if words else 4)
    records += [(False, 0, [200])] * missing
    return words + [200] * missing, rle_sizes, records


def pack(word_count: int, rle_sizes: tuple[int, ...], records: list[Record]) -> list[int]:
    bits = f"{word_count:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in rle_sizes)
    for is_repeated, which, words in records:
        bits += f"{int(is_repeated)}{which:02b}{len(words) - 1:0{rle_sizes[which]}b}"
        bits += "".join(f"{word:08b}" for word in (words[:1] if is_repeated else words))
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


@given(records_of_any_kind(), st.data())
@settings(deadline=None)
def test_words_in_any_records_are_encoded_as_their_opaque_pixels(
    case: tuple[list[int], tuple[int, ...], list[Record]], data: st.DataObject
) -> None:
    words, rle_sizes, records = case
    pixels = len(words) // 4
    width = data.draw(st.sampled_from([side for side in range(1, pixels + 1) if pixels % side == 0]))
    mask = (np.array(words[3::4]) >= 128).reshape(-1, width)
    saved = saved_brush(pack(len(words), rle_sizes, records), Size(width, pixels // width))
    assert encode_saved_region(saved) == encode_region(mask, "Cat", "r1", kind="brush")


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
@settings(deadline=None)
def test_any_mask_that_this_backend_wrote_is_encoded_as_it_is(mask: Mask) -> None:
    saved = saved_brush(encode_brush(mask), Size(mask.shape[1], mask.shape[0]))
    assert encode_saved_region(saved) == encode_region(mask, "Cat", "r1", kind="brush")


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(4))))
@settings(deadline=None)
def test_a_picture_whose_colours_differ_from_its_alpha_is_encoded_by_its_alpha(picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    saved = saved_brush(encode_rle(picture.ravel()), Size(width, height))
    assert encode_saved_region(saved) == encode_region(picture[:, :, 3] >= 128, "Cat", "r1", kind="brush")


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(1, 8), st.integers(1, 8), st.booleans())
@settings(deadline=None)
def test_damaged_bytes_are_encoded_or_refused_as_over_pixels(
    damage: list[int], width: int, height: int, has_start: bool
) -> None:
    rle = ([0, 0, 0, width * height * 4, 57, 27, 248] if has_start else []) + damage
    saved = saved_brush(rle, Size(width, height))
    try:
        expected: EncodedRegion | str = encode_painted(saved)
    except BackendError as error:
        expected = str(error)
    try:
        assert encode_saved_region(saved) == expected
    except BadRle as error:
        assert str(error) == expected


@pytest.mark.parametrize(
    ("rle", "size", "message"),
    [
        (
            encode_brush(np.ones((5, 4), bool))[:-3],
            Size(4, 5),
            "The brush mask is truncated: 0 of 80 values in 7 bytes",
        ),
        (encode_brush(np.ones((5, 4), bool)), Size(5, 5), "holds 80 values, but an image of 5x5 pixels has 100"),
        ([0, 0, 0], Size(4, 5), "is truncated: 3 bytes, less than its header"),
        ([0, -1], Size(4, 5), "must be a list of integers from 0 to 255"),
        ("0004", Size(4, 5), "must be a list of bytes, but is str"),
    ],
)
def test_a_damaged_brush_is_refused_with_its_region_and_without_being_painted(
    rle: Any, size: Size, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PixelRuns, "to_mask", lambda _: pytest.fail("painted"))
    with pytest.raises(BadRle, match=rf'Region "r1" \(brush\): .*{message}'):
        encode_saved_region(saved_brush(rle, size))


def test_a_brush_without_a_mask_is_refused() -> None:
    saved = saved_brush(None, Size(4, 5), value={"brushlabels": ["Cat"]})
    with pytest.raises(BadRle, match=r'Region "r1" \(brush\): The brush has no mask: its value has no "rle"'):
        encode_saved_region(saved)


def test_labels_choices_and_the_score_come_along() -> None:
    mask = np.ones((2, 3), bool)
    value = {"format": "rle", "rle": encode_brush(mask), "brushlabels": ["Cat", "Dog"]}
    saved = saved_brush(None, Size(3, 2), value=value, score=0.5)
    choice = {"id": "r1", "type": "choices", "from_name": "colour", "value": {"choices": ["red"]}}
    group = [*saved.group, choice]
    encoded = encode_saved_region(SavedRegion("r1", "brush", saved.shape, group))
    assert (encoded.label, encoded.other_labels, encoded.score) == ("Cat", ("Dog",), 0.5)
    assert dict(encoded.choices) == {"colour": ("red",)}
    assert (encoded.area, encoded.bbox, encoded.size) == (6, (0, 0, 3, 2), Size(3, 2))


def test_a_shape_that_is_not_a_brush_is_painted() -> None:
    value = {"x": 0, "y": 0, "width": 50, "height": 100, "rotation": 0, "rectanglelabels": ["Cat"]}
    saved = saved_brush(None, Size(4, 2), type="rectanglelabels", value=value)
    encoded = encode_saved_region(SavedRegion("r1", "rectangle", saved.shape, saved.group))
    assert (encoded.kind, encoded.area, encoded.bbox) == ("rectangle", 4, (0, 0, 2, 2))
    assert np.array_equal(encoded.decode_mask(), [[True, True, False, False]] * 2)


def test_a_large_mask_is_encoded_without_being_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((300, 400), bool)
    mask[50:200, 60:300] = True
    saved = saved_brush(encode_brush(mask), Size(400, 300))
    expected = encode_painted(saved)
    assert np.array_equal(decode_brush(saved.shape["value"]["rle"], Size(400, 300)), mask)
    monkeypatch.setattr(PixelRuns, "to_mask", lambda _: pytest.fail("painted"))
    assert encode_saved_region(saved) == expected
