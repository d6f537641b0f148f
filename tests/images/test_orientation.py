"""Upright pixels of rotated files, whatever else their metadata hold."""

from __future__ import annotations

import io
import logging
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.errors import BadImage
from backend.images import SourceImage
from backend.values import Size
from tests.images.files import (
    ORIENTED_FORMATS,
    encode_image,
    exif_block,
    jpeg_of_scans,
    upright,
    with_exif_segment,
)

BLOCK = 16  # a JPEG keeps the colours of whole blocks


def four_colours() -> np.ndarray:
    """3x2 blocks of six colours: no flip or turn leaves it as it is."""
    colours = [[(250, 0, 0), (0, 250, 0), (0, 0, 250)], [(0, 0, 0), (250, 250, 250), (250, 250, 0)]]
    return np.array(colours, np.uint8).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


@pytest.mark.parametrize("image_format", ORIENTED_FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_upright_in_each_format(image_format: str, orientation: int) -> None:
    stored = four_colours()
    expected = upright(stored, orientation)
    image = SourceImage(encode_image(stored, image_format, exif_block(orientation)))
    assert image.size == Size(expected.shape[1], expected.shape[0])
    assert image.pixels.shape == expected.shape
    assert np.abs(image.pixels.astype(int) - expected).max() <= 6  # a JPEG's loss


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_upright_in_avif(orientation: int) -> None:
    stored, file, exif = four_colours(), io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation  # PIL writes it as AVIF's own properties irot and imir
    Image.fromarray(stored).save(file, "AVIF", exif=exif, quality=100, subsampling="4:4:4")
    expected = upright(stored, orientation)
    image = SourceImage(file.getvalue())
    assert image.size == Size(expected.shape[1], expected.shape[0])
    assert np.abs(image.pixels.astype(int) - expected).max() <= 12


MALFORMED = {
    "a user comment that is a rational": (0x9286, 5, 1, 8),
    "a resolution of text": (0x011A, 2, 1, 65),
    "a place beyond the end": (0x8769, 4, 1, 0xFFFFFFF0),
    "a GPS directory that is the file's header": (0x8825, 4, 1, 0),
    "an unknown type": (0x9000, 99, 1, 0),
    "a tag of four gigabytes": (0x927C, 7, 0xFFFFFFFF, 8),
    "a value that PIL cannot write": (0xC4A5, 12, 1, 2),
    "a lens of a negative number": (0xA432, 10, 4, 8),
}


@pytest.mark.parametrize("entry", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("image_format", ORIENTED_FORMATS)
def test_a_malformed_tag_costs_no_rotated_image(image_format: str, entry: tuple[int, int, int, int]) -> None:
    stored = four_colours()
    image = SourceImage(encode_image(stored, image_format, exif_block(6, entry)))
    assert image.size == Size(2 * BLOCK, 3 * BLOCK)
    assert np.abs(image.pixels.astype(int) - upright(stored, 6)).max() <= 6


def test_only_one_short_from_1_to_8_is_an_orientation() -> None:
    stored = four_colours()
    for entry in [(0x0112, 3, 1, 9), (0x0112, 3, 1, 0), (0x0112, 3, 2, 6), (0x0112, 2, 1, 6), (0x0112, 4, 1, 6)]:
        block = b"II*\0" + struct.pack("<IHHHII", 8, 1, *entry) + bytes(4)
        assert SourceImage(encode_image(stored, "PNG", block)).size == Size(3 * BLOCK, 2 * BLOCK), entry


def test_an_orientation_that_browsers_ignore_is_ignored() -> None:
    """PIL takes one from XMP too."""
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    data = encode_image(four_colours(), "JPEG")
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + data[2:]
    assert SourceImage(data).size == Size(3 * BLOCK, 2 * BLOCK)


def test_big_endian_exif_is_read_too() -> None:
    block = b"MM\0*" + struct.pack(">IHHHIHH", 8, 1, 0x0112, 3, 1, 8, 0) + bytes(4)
    assert SourceImage(encode_image(four_colours(), "JPEG", block)).size == Size(2 * BLOCK, 3 * BLOCK)


@pytest.mark.parametrize("block", [b"II*\0", b"nonsense", exif_block(6)[:12]])
def test_exif_that_cannot_be_read_leaves_the_image_upright_and_a_line_in_the_log(
    block: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "backend.images")
    assert SourceImage(encode_image(four_colours(), "JPEG", block), "a.jpg").size == Size(3 * BLOCK, 2 * BLOCK)
    assert "a.jpg is taken as upright, because its EXIF cannot be read: " in caplog.text
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def check_that_it_is_an_image_or_a_bad_one(data: bytes) -> None:
    try:
        image = SourceImage(data, max_pixels=10**6)
        assert image.pixels.shape == (image.size.height, image.size.width, 3)
    except BadImage as error:
        assert error.message and error.remedy


numbers = st.one_of(st.sampled_from([0, 1, 6, 8, 9, 0xFFFF, 0xFFFFFFFF]), st.integers(0, 0xFFFFFFFF))
tags = st.one_of(
    st.sampled_from([0x0100, 0x0101, 0x0111, 0x0112, 0x0117, 0x8769, 0x8825, 0xA005]), st.integers(0, 65535)
)
entries = st.tuples(tags, st.integers(0, 20), numbers, numbers)


@given(st.sampled_from(ORIENTED_FORMATS), st.integers(0, 9), st.lists(entries, max_size=6))
def test_an_image_with_any_exif_entries_has_the_pixels_of_its_size(
    image_format: str, orientation: int, more: list[tuple[int, int, int, int]]
) -> None:
    data = encode_image(four_colours(), image_format, exif_block(orientation, *more))
    check_that_it_is_an_image_or_a_bad_one(data)
    if not image_format.startswith("TIFF"):  # whose pixels depend on its tags
        assert SourceImage(data).pixels.shape in ((2 * BLOCK, 3 * BLOCK, 3), (3 * BLOCK, 2 * BLOCK, 3))


@given(st.sampled_from(ORIENTED_FORMATS[:3]), st.binary(max_size=200))
def test_an_image_with_any_exif_block_has_the_pixels_of_its_size(image_format: str, block: bytes) -> None:
    image = SourceImage(encode_image(four_colours(), image_format, block))
    assert image.pixels.shape == (image.size.height, image.size.width, 3)


GOOD_FILES = [
    *(encode_image(four_colours(), image_format, exif_block(6)) for image_format in ORIENTED_FORMATS),
    *(encode_image(four_colours(), image_format) for image_format in ("GIF", "BMP")),
    jpeg_of_scans(16, 16, 8),
    with_exif_segment(jpeg_of_scans(16, 16, 6), exif_block(8)),
]


@given(
    st.sampled_from(GOOD_FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_a_file_with_any_bytes_changed_or_cut_off_is_an_image_or_a_bad_image(
    good: bytes, changes: list[tuple[float, int]], cut: float | None
) -> None:
    data = bytearray(good)
    for place, value in changes:
        data[int(place * len(data))] = value
    check_that_it_is_an_image_or_a_bad_one(bytes(data if cut is None else data[: int(cut * len(data))]))
