"""Which object is cut out: the clicked, the boxed, the named, or the largest one; and what is put behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.engine import ImageLabeler
from backend.errors import BadImage, BadPrompt, BadSettings
from backend.export import Background, Segment
from backend.folders import CutoutRequest, parse_background
from backend.folders.cutouts import choose_largest, choose_object
from backend.values import Mask
from tests.fakes import OPTIONS, FakeSegmenter, encoded, png

REMOVE = Background()


def choose(request: CutoutRequest, segments: list[Segment] | None = None) -> Mask | None:
    return choose_object(ImageLabeler(FakeSegmenter(), None), encoded(png(40, 30), "a.png"), request, segments, OPTIONS)


def rectangle(left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros((30, 40), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_the_clicked_object_is_that_of_sam() -> None:
    np.testing.assert_array_equal(choose(CutoutRequest(REMOVE, ((20.0, 10.0),))), rectangle(18, 8, 23, 13))


def test_the_boxed_object_is_that_of_sam() -> None:
    np.testing.assert_array_equal(
        choose(CutoutRequest(REMOVE, box_xyxy=(3.0, 4.0, 12.0, 20.0))), rectangle(3, 4, 12, 20)
    )


@pytest.mark.parametrize("point", [(40.0, 10.0), (-1.0, 10.0), (3.0, 30.0)])
def test_a_point_outside_of_the_image_is_refused(point: tuple[float, float]) -> None:
    message = r"The point .* lies outside of a.png, which has 40x30 pixels. Give x from 0 to 39 and y from 0 to 29."
    with pytest.raises(BadPrompt, match=message):
        choose(CutoutRequest(REMOVE, ((5.0, 5.0), point)))


@pytest.mark.parametrize("box", [(0.0, 0.0, 41.0, 10.0), (10.0, 5.0, 10.0, 9.0), (9.0, 5.0, 3.0, 9.0)])
def test_a_box_that_is_not_inside_of_the_image_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(BadPrompt, match=r"does not lie inside a.png, which has 40x30 pixels. Give left,top,right"):
        choose(CutoutRequest(REMOVE, box_xyxy=box))


def test_what_texts_name_is_cut_out_together() -> None:
    one, other = rectangle(0, 0, 5, 5), rectangle(20, 20, 30, 25)
    segments = [Segment(one, "ring", "a-01", 0.9), Segment(other, "ring", "a-02", 0.8)]
    np.testing.assert_array_equal(choose(CutoutRequest(REMOVE, is_named=True), segments), one | other)
    assert choose(CutoutRequest(REMOVE, is_named=True), []) is None


def test_the_largest_is_one_of_the_segments_or_of_everything() -> None:
    segments = [Segment(rectangle(0, 0, 5, 5), "a", "a-01", 0.9), Segment(rectangle(9, 9, 20, 20), "a", "a-02", 0.8)]
    np.testing.assert_array_equal(choose(CutoutRequest(REMOVE), segments), segments[1].mask)
    np.testing.assert_array_equal(choose(CutoutRequest(REMOVE)), rectangle(3, 3, 8, 8))  # SAM's first square


def test_what_touches_three_sides_is_the_ground_and_not_the_largest_object() -> None:
    ground, corner = rectangle(0, 15, 40, 30), rectangle(0, 0, 10, 10)
    assert choose_largest([ground, corner]) is corner
    assert choose_largest([ground]) is ground


def test_a_background_is_nothing_a_colour_or_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "sea.png"
    path.write_bytes(png(8, 6, (1, 2, 3)))
    assert parse_background("remove", 100) == Background()
    assert parse_background("#ff0000", 100) == Background((255, 0, 0))
    picture = parse_background(str(path), 100).picture
    assert picture is not None and (picture == (1, 2, 3)).all()


def test_a_background_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadSettings, match=r"'see.png' is neither a colour nor an image file. Give \"remove\", a colour"
    ):
        parse_background("see.png", 100)
    path = tmp_path / "text.png"
    path.write_text("no image")
    with pytest.raises(BadImage, match=r"text.png is not an image"):
        parse_background(str(path), 100)
