"""The PNG data URL: ours read by Pillow and OpenCV, and what a browser and others write read by us."""

from __future__ import annotations

import base64
import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from backend.errors import BadRegion
from backend.label_studio.results.bitmask_png import PREFIX, decode_bitmask, encode_bitmask
from backend.values import Mask, Size

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


def to_url(png: bytes) -> str:
    return PREFIX + base64.b64encode(png).decode()


def to_png(url: str) -> bytes:
    return base64.b64decode(url.removeprefix(PREFIX))


def drawn_by_a_canvas(mask: Mask, dtype: type = np.uint8) -> bytes:
    """Black where the mask is, transparent elsewhere, in RGBA."""
    rgba = np.zeros((*mask.shape, 4), dtype)
    rgba[mask, 3] = np.iinfo(dtype).max
    return cv2.imencode(".png", rgba)[1].tobytes()


@settings(deadline=None)
@given(masks)
def test_pillow_sees_opaque_black_where_the_mask_is(mask: Mask) -> None:
    image = Image.open(io.BytesIO(to_png(encode_bitmask(mask))))
    assert np.array_equal(np.asarray(image) > 0, mask)
    rgba = np.asarray(image.convert("RGBA"))
    assert np.array_equal(rgba[:, :, 3], mask * 255) and not rgba[:, :, :3].any()


@settings(deadline=None)
@given(masks)
def test_what_a_canvas_writes_is_read(mask: Mask) -> None:
    size = Size(mask.shape[1], mask.shape[0])
    for dtype in (np.uint8, np.uint16):
        assert np.array_equal(decode_bitmask(to_url(drawn_by_a_canvas(mask, dtype)), size), mask)
    assert np.array_equal(decode_bitmask(encode_bitmask(mask), size), mask)


def test_half_opaque_pixels_at_the_rim_of_a_stroke_are_mask_from_128_on() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 127, 128, 255
    url = to_url(cv2.imencode(".png", rgba)[1].tobytes())
    assert decode_bitmask(url, Size(3, 1)).tolist() == [[False, True, True]]


def test_a_megapixel_takes_some_kilobytes() -> None:
    disc = np.hypot(*(np.indices((1080, 1920)) - [[[500]], [[900]]])) < 300
    assert len(encode_bitmask(disc)) < 8_000


def broken(png: bytes) -> bytes:
    """Its pixels are gone, and the checksum fits."""
    start = png.index(b"IDAT")
    end = png.index(b"IEND") - 8
    rest = b"IDAT" + b"nothing that could be inflated"
    return (
        png[: start - 4]
        + (len(rest) - 4).to_bytes(4, "big")
        + rest
        + zlib.crc32(rest).to_bytes(4, "big")
        + png[end + 4 :]
    )


PNG = drawn_by_a_canvas(np.ones((2, 3), bool))
GREY = cv2.imencode(".png", np.zeros((2, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, '"imageDataURL": None, which is not a PNG data URL'),
        (7, '"imageDataURL": 7, which is not a PNG'),
        ("data:image/jpeg;base64,AAAA", '"imageDataURL": data:image/jpeg;base64,…, which is not a PNG'),
        (PREFIX + "A*==", "data URL is not valid base64: "),
        (PREFIX + "ä", "data URL is not valid base64: "),
        (PREFIX, "data URL holds 0 bytes that are not a PNG"),
        (to_url(b"GIF89a" + bytes(60)), "data URL holds 66 bytes that are not a PNG"),
        (to_url(PNG[:20]), "data URL holds 20 bytes that are not a PNG"),
        (to_url(broken(PNG)), r"PNG of \d+ bytes is corrupt"),
        (to_url(PNG[:40]), "PNG of 40 bytes is corrupt"),
        (to_url(drawn_by_a_canvas(np.ones((3, 2), bool))), "is a PNG of 2x3 pixels on an image of 3x2"),
        (to_url(GREY), "has no alpha channel, which would hold the mask"),
    ],
)
def test_what_is_no_bitmask_is_refused(url: object, message: str) -> None:
    with pytest.raises(BadRegion, match=f"The bitmask.*{message}.*draw it again"):
        decode_bitmask(url, Size(3, 2))
