"""Pictures of a data set: the same bytes, or the same pixels upright; PIL without any care is the judge."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadImage
from backend.images import SourceImage, build_picture_file, rename_to_type
from tests.images.files import ORIENTED_FORMATS, encode_image, exif_block, upright
from tests.images.test_orientation import four_colours

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "AVIF": ".avif",
}


@pytest.mark.parametrize("image_format", SUFFIXES)
def test_an_upright_picture_keeps_its_bytes_and_gets_the_suffix_of_its_type(image_format: str) -> None:
    file = io.BytesIO()
    Image.fromarray(four_colours()).save(file, image_format)
    picture = build_picture_file(SourceImage(file.getvalue()))
    assert (picture.data, picture.suffix, picture.was_turned) == (file.getvalue(), SUFFIXES[image_format], False)


def test_an_orientation_of_1_keeps_the_bytes_with_their_metadata() -> None:
    data = encode_image(four_colours(), "JPEG", exif_block(1))
    assert build_picture_file(SourceImage(data)).data == data


@pytest.mark.parametrize("image_format", ORIENTED_FORMATS)
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_becomes_a_png_that_every_reader_shows_upright(image_format: str, orientation: int) -> None:
    image = SourceImage(encode_image(four_colours(), image_format, exif_block(orientation)))
    picture = build_picture_file(image)
    assert (picture.suffix, picture.was_turned) == (".png", True)
    read = Image.open(io.BytesIO(picture.data))  # as a data loader opens it: without a look at EXIF
    assert read.getexif().get(0x0112, 1) == 1
    assert np.array_equal(np.asarray(read), image.pixels)
    assert np.abs(np.asarray(read).astype(int) - upright(four_colours(), orientation)).max() <= 6  # a JPEG's loss


def test_a_truncated_picture_is_refused() -> None:
    data = encode_image(four_colours(), "JPEG")
    with pytest.raises(BadImage, match="damaged or truncated"):
        build_picture_file(SourceImage(data[:-40], "a.jpg"))


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("a-task1.png", ".png", "a-task1.png"),
        ("a-task1.JPEG", ".jpg", "a-task1.JPEG"),
        ("a-task1.png", ".jpg", "a-task1.jpg"),
        ("a-task1.php", ".webp", "a-task1.webp"),
        ("a-task1", ".tif", "a-task1.tif"),
        ("a-task1.tiff", ".tif", "a-task1.tiff"),
    ],
)
def test_a_name_that_lies_gets_the_suffix_of_the_true_type(name: str, suffix: str, expected: str) -> None:
    assert rename_to_type(name, suffix) == expected
