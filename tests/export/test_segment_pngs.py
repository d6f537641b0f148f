"""Segments as transparent pictures: exact pixels, and names that are safe whatever the label is."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.export import LabelNames, Segment, encode_segment
from backend.export.segment_pngs import label_to_name

MASK = np.zeros((4, 6), bool)
MASK[1:3, 2:5] = True
MASK[1, 2] = False


def test_a_segment_is_cropped_to_its_box_and_transparent_outside_of_the_mask() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    image = Image.open(io.BytesIO(encode_segment(pixels, MASK)))
    assert (image.mode, image.size) == ("RGBA", (3, 2))
    written = np.asarray(image)
    np.testing.assert_array_equal(written[..., 3], [[0, 255, 255], [255, 255, 255]])
    np.testing.assert_array_equal(written[0, 1, :3], pixels[1, 3])
    np.testing.assert_array_equal(written[0, 0], [0, 0, 0, 0])  # what was cut off is not in the file either


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("car", "car"),
        ("red ring", "red-ring"),
        ("a/b", "a-b"),
        ("../../etc/passwd", "etc-passwd"),
        ("v1.5", "v1-5"),
        (".hidden", "hidden"),
        ("..", "label"),
        ("a\\b:c*?", "a-b-c"),
        ("snow_plough", "snow_plough"),
        ("жук 猫", "жук-猫"),
        ("", "label"),
    ],
)
def test_a_label_becomes_part_of_a_file_name(label: str, name: str) -> None:
    assert label_to_name(label) == name


@given(st.lists(st.text(max_size=300), max_size=20))
def test_no_label_leads_elsewhere_and_no_two_share_a_name(labels: list[str]) -> None:
    names = LabelNames(labels)
    made = [names.of(label) for label in dict.fromkeys(labels)]
    assert len({name.casefold() for name in made}) == len(made)
    for name in made:
        assert PurePosixPath(name).name == name
        assert not set(name) & set("./\\\0:") and len(name.encode("utf-8", "surrogatepass")) <= 140


def test_labels_that_differ_only_in_what_file_names_lack_are_numbered() -> None:
    names = LabelNames(["a/b", "a.b", "A-B", "a/b"])
    assert [names.of(label) for label in ("a/b", "a.b", "A-B")] == ["a-b", "a-b-2", "A-B-3"]


def test_the_name_of_a_segment_is_label_id_and_confidence() -> None:
    name = LabelNames(["red_ring"]).of_segment(Segment(MASK, "red_ring", "3fa9c01b2e4d-07", 0.968))
    assert name == "red_ring_3fa9c01b2e4d-07_0.97.png"
    assert name.removesuffix(".png").rsplit("_", 2) == ["red_ring", "3fa9c01b2e4d-07", "0.97"]
