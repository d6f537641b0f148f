"""The picture with outlines and labels: what is drawn lies where the segments are."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from backend.export import Segment, choose_colours, encode_overlay
from backend.values import Mask, Pixels

GREY = np.full((120, 160, 3), 128, np.uint8)


def square(left: int, top: int, side: int) -> Mask:
    mask = np.zeros((120, 160), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def draw(*segments: Segment, pixels: Pixels = GREY) -> np.ndarray:
    colours = choose_colours([segment.label for segment in segments])
    image = Image.open(io.BytesIO(encode_overlay(pixels, segments, colours)))
    assert (image.format, image.size) == ("JPEG", (160, 120))
    return np.asarray(image).astype(int)


def test_the_border_has_the_colour_that_the_label_names_and_the_rest_stays() -> None:
    shown = draw(Segment(square(60, 50, 40), "red", "a-01", 0.9))
    red, green, blue = shown[70, 60]
    assert red > 150 and green < 110 and blue < 110
    assert abs(shown[110, 20] - 128).max() <= 8  # far away
    assert abs(shown[70, 80] - [153, 102, 102]).max() <= 12  # a fifth of red over the grey


def test_the_label_stands_above_its_segment() -> None:
    shown = draw(Segment(square(60, 50, 40), "red", "a-01", 0.9))
    above = shown[34:49, 60:110]
    assert (abs(above - 128).max(axis=-1) > 60).mean() > 0.5


def test_a_label_at_the_corner_stays_in_the_picture() -> None:
    long = "a very long name"
    shown = draw(Segment(square(150, 0, 10), long, "a-01", 0.9))
    assert (abs(shown[:14, 60:150] - 128).max(axis=-1) > 60).mean() > 0.3


def test_an_image_without_segments_stays_as_it_is() -> None:
    assert abs(draw() - 128).max() <= 2


def test_neighbouring_labels_look_very_different() -> None:
    colours = np.array(list(choose_colours([f"class {n}" for n in range(12)]).values()))
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 120
    assert len({tuple(colour) for colour in colours}) == 12


def test_the_pixels_of_the_image_are_not_written_to() -> None:
    pixels = GREY.copy()
    pixels.flags.writeable = False
    draw(Segment(square(10, 10, 20), "red", "a-01", 0.9), pixels=pixels)
