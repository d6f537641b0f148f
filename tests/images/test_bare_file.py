"""Files that would take work out of proportion to their pixels."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageSequence

from backend.errors import BadImage
from backend.images import SourceImage
from backend.values import Size
from tests.fakes import noise_png, png
from tests.images.files import encode_image, exif_block, jpeg_of_scans, with_exif_segment


def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded() -> None:
    attack = jpeg_of_scans(8000, 8000, 1000)
    started = time.thread_time()
    with pytest.raises(BadImage, match=r"a\.jpg is a JPEG of 1000 scans; the limit is 50.*IMAGE_MAX_SCANS"):
        SourceImage(attack, "a.jpg")
    assert time.thread_time() - started < 2  # decoding it takes over a minute


def test_the_limit_on_scans_is_the_callers() -> None:
    data = jpeg_of_scans(16, 16, 60)
    assert SourceImage(data, max_scans=60).pixels.shape == (16, 16, 3)
    with pytest.raises(BadImage, match="60 scans; the limit is 59"):
        SourceImage(data, max_scans=59)


def test_scans_are_counted_in_the_image_and_not_in_its_thumbnails() -> None:
    thumbnail = jpeg_of_scans(8, 8, 40)
    data = with_exif_segment(jpeg_of_scans(32, 32, 40), thumbnail) + thumbnail  # as a multi-picture JPEG ends
    assert SourceImage(data, max_scans=40).size == Size(32, 32)


def test_counting_scans_is_linear() -> None:
    """The worst case is a run of FF, each of which may begin a marker."""

    def seconds(megabytes: int) -> float:
        data = jpeg_of_scans(16, 16, 6)[:-2] + b"\xff" * (megabytes << 20)
        started = time.thread_time()
        SourceImage(data)
        return time.thread_time() - started

    assert min(seconds(8) for _ in range(3)) < 4 * min(seconds(4) for _ in range(3)) + 0.01


def exif_that_refers_to_itself(tags: int, nbytes: int) -> bytes:
    """Each of many tags has all of the block as its value."""
    entries = b"".join(struct.pack("<HHII", 40_000 + tag, 7, nbytes, 0) for tag in range(tags))
    block = b"II*\0" + struct.pack("<IH", 8, tags) + entries + bytes(4)
    return block + bytes(nbytes - len(block))


def memory_of_opening(data: bytes) -> int:
    tracemalloc.start()
    try:
        _ = SourceImage(data).pixels
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_tags_that_all_refer_to_the_same_bytes_cost_no_memory() -> None:
    bare = encode_image(np.zeros((16, 16, 3), np.uint8), "JPEG")
    without_density = bare[:2] + bare[20:]  # PIL looks for one in the EXIF then
    exif = exif_that_refers_to_itself(2000, 60_000)
    assert memory_of_opening(with_exif_segment(without_density, exif)) < 5_000_000  # 120 MB with all tags


def test_a_tiff_whose_tags_all_refer_to_the_same_bytes_costs_no_memory() -> None:
    data = encode_image(np.zeros((16, 16, 3), np.uint8), "TIFF", exif_that_refers_to_itself(2000, 60_000))
    assert memory_of_opening(data + bytes(60_000)) < 5_000_000


@pytest.mark.parametrize("header", [b"II*\0", b"II\0*"])
def test_a_tiff_with_swapped_magic_bytes_is_stripped_too(header: bytes) -> None:
    stored = np.zeros((16, 24, 3), np.uint8)
    data = header + encode_image(stored, "TIFF", exif_that_refers_to_itself(2000, 60_000))[4:]
    assert memory_of_opening(data + bytes(60_000)) < 5_000_000
    rotated = header + encode_image(stored, "TIFF", exif_block(6))[4:]
    assert SourceImage(rotated).pixels.shape == (24, 16, 3)


@pytest.mark.parametrize("marker", [0xC8, 0xD8, 0xD9, 0xF0, 0xF7, 0xFD])
def test_a_jpeg_does_not_hide_metadata_behind_a_marker_that_readers_take_differently(marker: int) -> None:
    good = encode_image(np.zeros((16, 16, 3), np.uint8), "JPEG")
    exif = with_exif_segment(good, exif_that_refers_to_itself(100, 6_000))
    with pytest.raises(BadImage, match=f"is a JPEG with the marker FF{marker:02X} before its first scan"):
        SourceImage(exif[:2] + bytes([0xFF, marker, 0x17, 0x80]) + exif[2:])


def test_a_tiff_whose_own_tags_are_larger_than_itself_is_refused() -> None:
    many = b"II*\0" + struct.pack("<IH", 8, 100) + struct.pack("<HHII", 320, 3, 30_000, 0) * 100 + bytes(4)
    with pytest.raises(BadImage, match=r"a\.tif is a TIFF of \d+ bytes whose tags are larger than that"):
        SourceImage(encode_image(np.zeros((16, 16, 3), np.uint8), "TIFF", many), "a.tif")


def test_a_tiff_with_a_directory_of_too_many_entries_is_refused() -> None:
    data = b"II*\0" + struct.pack("<IH", 8, 5000) + bytes(5000 * 12 + 4)
    with pytest.raises(BadImage, match="is a TIFF that cannot be read: its directory has 5000 entries; the maximum"):
        SourceImage(data)


def test_a_png_of_too_many_chunks_is_refused() -> None:
    chunk = bytes(4) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    good = png(16, 16)
    assert SourceImage(good[:33] + chunk * 50_000 + good[33:]).pixels[0, 0].tolist() == [10, 20, 30]
    with pytest.raises(BadImage, match="is a PNG of more than 100000 chunks"):
        SourceImage(good[:33] + chunk * 100_000 + good[33:])


def test_a_gif_of_too_many_comments_is_refused() -> None:
    file = io.BytesIO()
    Image.new("P", (16, 16)).save(file, "GIF")
    good = file.getvalue()
    start = 13 + (3 << ((good[10] & 7) + 1))
    assert SourceImage(good[:start] + b"!\xfe\x01a\0" * 40_000 + good[start:]).size == Size(16, 16)
    with pytest.raises(BadImage, match="is a GIF of more than 100000 blocks before its first image"):
        SourceImage(good[:start] + b"!\xfe\x01a\0" * 60_000 + good[start:])


def test_a_jpeg_of_too_many_segments_is_refused() -> None:
    good = encode_image(np.zeros((16, 16, 3), np.uint8), "JPEG")
    with pytest.raises(BadImage, match="is a JPEG of more than 10000 segments"):
        SourceImage(good[:2] + b"\xff\xfe\0\x02" * 10_000 + good[2:])


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {"icc_profile": b"profile" * 20_000, "comment": b"a comment", "dpi": (300, 300)}),
        ("JPEG", {"progressive": True, "comment": b"a comment"}),
        ("PNG", {"icc_profile": b"profile", "dpi": (300, 300)}),
        ("GIF", {"comment": b"a comment"}),
        ("TIFF", {"description": "a description", "dpi": (300, 300), "compression": "tiff_adobe_deflate"}),
        ("TIFF", {"description": "a description", "big_tiff": True}),
        ("TIFF", {"compression": "jpeg"}),
        ("WEBP", {"icc_profile": b"profile", "xmp": b"<x/>", "lossless": True}),
    ],
)
def test_a_file_without_its_metadata_has_the_same_pixels(image_format: str, options: dict[str, object]) -> None:
    file = io.BytesIO()
    picture = Image.open(io.BytesIO(noise_png(40, 30, 1)))
    picture.save(file, image_format, **options)
    expected = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
    assert (SourceImage(file.getvalue()).pixels == expected).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16", "F"])
def test_tiff_keeps_what_tells_its_colours(mode: str) -> None:
    grey = Image.open(io.BytesIO(noise_png(40, 30, 1))).convert("L")
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    file = io.BytesIO()
    picture.save(file, "TIFF")
    if mode == "I;16":
        expected = np.asarray(grey.convert("RGB"))
    else:
        expected = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
    assert (SourceImage(file.getvalue()).pixels == expected).all()


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_image_is_read(image_format: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    file, options = io.BytesIO(), {"lossless": True} if image_format == "WEBP" else {}
    frames[0].save(file, image_format, save_all=True, append_images=frames[1:], **options)
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(file.getvalue()))))) == 3
    assert SourceImage(file.getvalue()).pixels[5, 5].tolist() == [255, 0, 0]


def test_a_transparent_gif_is_white_where_the_page_shines_through() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((0, 0), 0)
    file = io.BytesIO()
    picture.save(file, "GIF", transparency=0, comment=b"a comment")
    pixels = SourceImage(file.getvalue()).pixels
    assert (pixels[0, 0].tolist(), pixels[1, 1].tolist()) == ([255, 255, 255], [255, 0, 0])


def test_a_side_that_no_browser_shows_is_refused() -> None:
    with pytest.raises(BadImage, match=r"a\.png has 65536x1 pixels; the limit for a side is 65535\. Cut the image"):
        SourceImage(png(65_536, 1), "a.png")
    assert SourceImage(png(1, 65_535)).pixels.shape == (65_535, 1, 3)
