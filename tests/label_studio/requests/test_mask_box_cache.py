"""Boxes of masks are cached by the content of the masks, up to a limit."""

from __future__ import annotations

import numpy as np
import pytest

from backend.errors import BadRegion, BadRle
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import CorrectableRegion, MaskBoxCache
from backend.label_studio.results import brush_box, encode_brush
from backend.values import Box, Size
from tests import fakes

CONFIG = parse_labeling_config(fakes.CONFIG).images[0]


def region(rle: object, size: Size = Size(4, 3), region_id: str = "a") -> CorrectableRegion:
    return CorrectableRegion(region_id, "Cat", size, ({"type": "brushlabels", "value": {"rle": rle}},))


def saved(shape: dict[str, object]) -> CorrectableRegion:
    """A region of one shape on an image of 4x3 pixels, as Label Studio saves it."""
    return CorrectableRegion("a", "Cat", Size(4, 3), ({**shape, "original_width": 4, "original_height": 3},))


def test_a_mask_is_named_by_its_bytes_and_size_and_not_by_its_id() -> None:
    assert region([1, 2]).mask_name == region([1, 2], region_id="b").mask_name
    assert len({region([1, 2]).mask_name, region([1, 3]).mask_name, region([1, 2], Size(3, 4)).mask_name}) == 3
    assert region("[1,2]").mask_name == region("[1,2]", region_id="b").mask_name != region("[1,3]").mask_name
    assert region([1, 300]).mask_name != region([1, "x"]).mask_name  # damaged masks have different names, too


def test_the_choices_of_a_region_do_not_change_its_name() -> None:
    mask = {"type": "brushlabels", "value": {"rle": [1, 2]}}
    choice = {"type": "choices", "value": {"rle": [1, 2], "choices": ["Red"]}}
    assert CorrectableRegion("a", "Cat", Size(4, 3), (mask, choice)).mask_name == region([1, 2]).mask_name


def test_a_mask_is_read_once_and_a_brush_is_not_rasterised(monkeypatch: pytest.MonkeyPatch) -> None:
    read_masks: list[object] = []

    def read(rle: object, size: Size) -> Box:
        read_masks.append(rle)
        return brush_box(rle, size)

    monkeypatch.setattr("backend.label_studio.requests.mask_box_cache.brush_box", read)
    monkeypatch.setattr(CorrectableRegion, "decode", lambda *_: pytest.fail("rasterised"))
    mask = np.zeros((3, 4), bool)
    mask[1, 1:3] = True
    boxes, rle = MaskBoxCache(), encode_brush(mask)
    for _ in range(3):
        assert boxes.box_of(region(rle), CONFIG) == boxes.box_of(region(str(rle)), CONFIG) == (1, 1, 3, 2)
    assert read_masks == [rle, str(rle)]


@pytest.mark.parametrize(
    ("points", "box"),
    [
        ([[25, 0], [75, 0], [75, 100]], (1, 0, 3, 3)),
        ([[-50, -50], [50, 50], [50, 200]], (0, 0, 2, 3)),  # cut at the image's edges
        ([[200, 10], [300, 10], [300, 90]], (0, 0, 0, 0)),  # outside of the image
    ],
)
def test_the_box_of_a_polygon_comes_from_its_points_within_the_image(monkeypatch, points, box: Box) -> None:
    monkeypatch.setattr(CorrectableRegion, "decode", lambda *_: pytest.fail("rasterised"))
    assert MaskBoxCache().box_of(saved({"type": "polygonlabels", "value": {"points": points}}), CONFIG) == box


def test_a_polygon_of_two_points_is_damaged() -> None:
    with pytest.raises(BadRegion, match="at least three points"):
        MaskBoxCache().box_of(saved({"type": "polygonlabels", "value": {"points": [[1, 1], [2, 2]]}}), CONFIG)


def test_an_empty_mask_has_a_box_without_area_and_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, empty = MaskBoxCache(), region(encode_brush(np.zeros((3, 4), bool)))
    assert boxes.box_of(empty, CONFIG) == (0, 0, 0, 0)
    monkeypatch.setattr("backend.label_studio.requests.mask_box_cache.brush_box", lambda *_: pytest.fail("read again"))
    assert boxes.box_of(empty, CONFIG) == (0, 0, 0, 0)


def test_a_damaged_brush_is_refused_by_name() -> None:
    with pytest.raises(BadRle, match=r'Region "a" \(brush\)'):
        MaskBoxCache().box_of(saved({"id": "a", "type": "brushlabels", "value": {"rle": [1]}}), CONFIG)


def test_the_least_recently_used_box_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, read_masks = MaskBoxCache(max_boxes=2), []
    monkeypatch.setattr(
        "backend.label_studio.requests.mask_box_cache.brush_box", lambda rle, _: read_masks.append(rle) or (0, 0, 1, 1)
    )
    for rle in ("[1]", "[2]", "[1]", "[3]", "[1]", "[2]"):
        boxes.box_of(region(rle), CONFIG)
    assert read_masks == ["[1]", "[2]", "[3]", "[2]"]
