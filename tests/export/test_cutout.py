"""Cut-outs: the object stays, everything else is transparent, of one colour, or of a picture."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from backend.export import Background, encode_cutout, parse_colour

PIXELS = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
MASK = np.zeros((20, 30), bool)
MASK[5:15, 8:22] = True


def cut(background: Background, soft_edges: float = 0.0) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encode_cutout(PIXELS, MASK, background, soft_edges))))


def test_a_removed_background_is_transparent_and_not_in_the_file() -> None:
    written = cut(Background())
    np.testing.assert_array_equal(written[..., 3] == 255, MASK)
    np.testing.assert_array_equal(written[MASK][:, :3], PIXELS[MASK])
    assert not written[~MASK].any()


def test_a_colour_stands_everywhere_else() -> None:
    written = cut(Background(colour=(1, 2, 3)))
    np.testing.assert_array_equal(written[MASK], PIXELS[MASK])
    assert (written[~MASK] == (1, 2, 3)).all()


def test_a_picture_is_scaled_to_cover_the_image_and_its_middle_is_used() -> None:
    picture = np.zeros((40, 120, 3), np.uint8)  # twice the height; the middle 60 columns cover the image
    picture[:, 30:90] = 200
    written = cut(Background(picture=picture))
    assert (written[~MASK] > 180).all()
    np.testing.assert_array_equal(written[MASK], PIXELS[MASK])


def test_soft_edges_fade_inside_of_the_object_only() -> None:
    alpha = cut(Background(), soft_edges=4)[..., 3].astype(int)
    assert not alpha[~MASK].any()
    assert alpha[10, 15] >= 250
    assert list(alpha[10, 8:13]) == sorted(alpha[10, 8:13]) and 100 < alpha[10, 8] < 200
    mixed = cut(Background(colour=(0, 0, 0)), soft_edges=4).astype(int)
    share = alpha[10, 8] / 255
    assert abs(mixed[10, 8] - PIXELS[10, 8] * share).max() <= 1


def test_colours_are_those_of_css() -> None:
    assert parse_colour("white") == (255, 255, 255)
    assert parse_colour("#fc0") == (255, 204, 0)
    assert parse_colour("rgb(1, 2, 3)") == (1, 2, 3)
    assert parse_colour("whitish") is None
