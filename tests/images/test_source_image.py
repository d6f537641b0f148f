from __future__ import annotations

import gzip
import hashlib
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadImage
from backend.images import DecodedImages, SourceImage
from backend.values import Size
from tests.fakes import noise_png, png
from tests.paths import ROOT


def with_orientation(orientation: int) -> bytes:
    """A 4x2 JPEG whose left half is red and whose right half is blue."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = 255
    pixels[:, 16:, 2] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def test_the_digest_is_the_sha256_of_the_file() -> None:
    data = png(3, 2)
    assert SourceImage(data).digest == hashlib.sha256(data).hexdigest()


def test_pixels_are_rgb_rows_by_columns() -> None:
    image = SourceImage(png(3, 2, (1, 2, 3)))
    assert image.size == Size(3, 2)
    assert image.pixels.shape == (2, 3, 3)
    assert image.pixels.tolist()[0][0] == [1, 2, 3]


def test_exif_orientation_6_turns_the_image_upright() -> None:
    image = SourceImage(with_orientation(6))  # turn clockwise by 90 degrees: what was left is now on top
    assert image.size == Size(16, 32)
    assert image.pixels[4, 8, 0] > 200
    assert image.pixels[28, 8, 2] > 200


def test_orientation_3_keeps_the_size_and_turns_the_picture() -> None:
    image = SourceImage(with_orientation(3))
    assert image.size == Size(32, 16)
    assert image.pixels[8, 4, 2] > 200


def test_what_shines_through_is_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(file, "PNG")
    assert SourceImage(file.getvalue()).pixels[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bit_greys_are_scaled_not_clipped() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 32896], [65535, 257]], np.uint16)).save(file, "PNG")
    assert SourceImage(file.getvalue()).pixels[..., 0].tolist() == [[0, 128], [255, 1]]


def test_something_else_is_refused_with_its_first_bytes() -> None:
    with pytest.raises(BadImage) as caught:
        SourceImage(b"<html>not found</html>", "/data/upload/a.png")
    assert caught.value.message.startswith(
        "/data/upload/a.png is not an image: 22 bytes, starting with b'<html>not found"
    )


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><circle r="4"/></svg>'


@pytest.mark.parametrize(
    "data",
    [
        SVG.encode(),
        b"\xef\xbb\xbf\r\n" + SVG.encode(),
        f'<?xml version="1.0"?>\n<!-- <html> made by hand --><!DOCTYPE svg>{SVG}'.encode(),
        b'<x:svg xmlns:x="http://www.w3.org/2000/svg"/>',
        SVG.encode("utf-16"),
        gzip.compress(SVG.encode()),
    ],
    ids=["plain", "byte order mark", "prolog", "prefix", "UTF-16", "compressed"],
)
def test_a_drawing_is_refused_as_one(data: bytes) -> None:
    with pytest.raises(BadImage) as caught:
        SourceImage(data, "/data/upload/logo.svg")
    assert caught.value.message == "/data/upload/logo.svg is an SVG drawing, which has no pixels."
    assert caught.value.remedy == "Save the drawing as a PNG and import that."


@pytest.mark.parametrize(
    "data",
    [f"<html><body>{SVG}</body></html>".encode(), b"see <svg>", b"<!-- <svg> ", b"<svgs/>", b"\x1f\x8bno gzip", b""],
    ids=["a page with a drawing", "text", "an open comment", "another element", "a broken gzip", "nothing"],
)
def test_what_only_mentions_a_drawing_is_no_image(data: bytes) -> None:
    with pytest.raises(BadImage, match="is not an image"):
        SourceImage(data, "logo.svg")


def test_a_truncated_file_is_refused_when_it_is_decoded() -> None:
    image = SourceImage(noise_png(64, 64, 0)[:5000], "a.png")
    with pytest.raises(BadImage, match=r"a\.png is damaged or truncated after 5000 bytes"):
        _ = image.pixels


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(BadImage) as caught:
        SourceImage(bomb + struct.pack(">I", 0) + b"IDAT", "bomb.png", max_pixels=64_000_000)
    assert "bomb.png has 10000x10000 = 100000000 pixels; the limit is 64000000" in caught.value.message
    assert "IMAGE_MAX_PIXELS" in caught.value.remedy


def test_the_same_bytes_are_decoded_once() -> None:
    images = DecodedImages(max_bytes=10**6, max_pixels=10**6)
    data = png(4, 4)
    assert images.open(data, "a") is images.open(data, "a")


def test_equal_files_of_two_names_are_not_called_by_the_same_name() -> None:
    images = DecodedImages(max_bytes=10**6, max_pixels=10**6)
    data = png(4, 4)
    assert images.open(data, "project 1's").name == "project 1's"
    assert images.open(data, "project 2's").name == "project 2's"


def test_a_png_with_exif_is_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (32, 16)).save(file, "PNG", exif=exif)
    image = SourceImage(file.getvalue())
    assert image.size == Size(16, 32)
    assert image.pixels.shape == (32, 16, 3)


def test_the_limit_on_pixels_may_be_raised_above_pils_own() -> None:
    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    idat = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    assert SourceImage(huge + idat, "huge.png", max_pixels=300_000_000).size == Size(20_000, 10_000)


def test_decoded_images_stay_within_their_budget() -> None:
    files = [noise_png(10, 10, seed) for seed in range(3)]
    cost = SourceImage(files[0]).nbytes
    images = DecodedImages(max_bytes=int(cost * 2.5), max_pixels=10**6)
    first = images.open(files[0], "a")
    second = images.open(files[1], "b")
    images.open(files[2], "c")
    assert images.open(files[1], "b") is second
    assert images.open(files[0], "a") is not first


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_file_with_any_byte_changed_is_an_image_or_a_bad_image(image_format: str) -> None:
    good = bytearray(png(12, 9, image_format=image_format))
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = good.copy()
        for position in rng.integers(0, len(data), 3):
            data[position] = rng.integers(0, 256)
        try:
            image = SourceImage(bytes(data))
            assert image.pixels.shape == (image.size.height, image.size.width, 3)
        except BadImage as error:
            assert error.remedy


MEASURE = """
import io, pathlib
from PIL import Image
from backend.images import SourceImage

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

file = io.BytesIO()
Image.new("RGB", (4000, 3000), "red").save(file, "JPEG")
small = io.BytesIO()
Image.new("RGB", (40, 30), "red").save(small, "JPEG")
SourceImage(small.getvalue()).pixels
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = peak()
assert SourceImage(file.getvalue()).pixels.shape == (3000, 4000, 3)
print((peak() - before) / 12e6)
"""


def test_decoding_takes_little_more_than_the_pixels_and_what_pil_needs_itself() -> None:
    """Per pixel 3 bytes of ours and 4 of PIL's; with a copy of each it would be 14."""
    measured = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 6 < float(measured.stdout) < 9
