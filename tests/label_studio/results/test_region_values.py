"""What is written as the value of a region is read back as the mask that the kind promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.utils import convert_annotation_to_yolo_obb
from label_studio_sdk.label_interface import LabelInterface
from pycocotools import mask as coco_mask

from backend.errors import BadRegion
from backend.geometry import polygon_to_mask
from backend.label_studio.results import build_value, mask_from_value
from backend.label_studio.results.region_values import SHAPES
from backend.values import Mask, Size

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14)).filter(np.any)


@settings(deadline=None)
@given(masks, st.sampled_from(["brush", "bitmask", "polygon"]))
def test_a_mask_comes_back_pixel_by_pixel(mask: Mask, kind: str) -> None:
    height, width = mask.shape
    (value,) = build_value(mask, kind, tolerance=0)
    assert np.array_equal(mask_from_value(value, kind, Size(width, height)), mask)


def test_a_rectangle_is_the_tightest_box_in_percent() -> None:
    mask = np.zeros((2, 4), bool)
    mask[0, 1:3] = True
    (value,) = build_value(mask, "rectangle", tolerance=1)
    assert value == {"x": 25, "y": 0, "width": 50, "height": 50, "rotation": 0}
    assert np.array_equal(mask_from_value(value, "rectangle", Size(4, 2)), mask)


def test_another_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="one of brush, bitmask, polygon, rectangle, ellipse, but is 'keypoint'"):
        build_value(np.ones((1, 1), bool), "keypoint", tolerance=1)


@settings(deadline=None)
@given(masks, st.sampled_from(["rectangle", "ellipse"]))
def test_a_fitted_shape_stays_in_the_image_and_is_read(mask: Mask, kind: str) -> None:
    height, width = mask.shape
    (value,) = build_value(mask, kind, tolerance=1)
    assert 0 <= value["x"] <= 100 and 0 <= value["y"] <= 100
    read = mask_from_value(value, kind, Size(width, height))
    if kind == "rectangle":
        assert read[mask].all() and np.array_equal(mask_from_value(value, kind, Size(width, height)), read)
        assert (read.any(axis=0) == spanned(mask.any(axis=0))).all()
        assert (read.any(axis=1) == spanned(mask.any(axis=1))).all()
    else:
        assert value["radiusX"] <= 50 and value["radiusY"] <= 50 and abs(value["rotation"]) <= 45 + 1e-9


def spanned(hit: np.ndarray) -> np.ndarray:
    """From the first True to the last."""
    return np.logical_or.accumulate(hit) & np.logical_or.accumulate(hit[::-1])[::-1]


def test_label_studio_sdk_takes_every_value() -> None:
    """It refuses, for instance, a radius of more than half the image, as the moments of an all-mask image have it."""
    for kind in SHAPES:
        config = (
            f'<View><Image name="i" value="$image"/><{kind.capitalize()}Labels name="s" toName="i">'
            f'<Label value="Dog"/></{kind.capitalize()}Labels></View>'
        )
        (value,) = build_value(np.ones((4, 6), bool), kind, tolerance=1)
        labels = f"{kind}labels"
        result = {"id": "r", "type": labels, "from_name": "s", "to_name": "i", "value": value | {labels: ["Dog"]}}
        assert LabelInterface(config).validate_prediction({"result": [result]}), kind


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "ellipse"])
def test_an_empty_mask_has_no_polygon_rectangle_or_ellipse(kind: str) -> None:
    assert build_value(np.zeros((3, 4), bool), kind, tolerance=1) == []


def test_a_polygon_that_label_studio_saved_with_rounded_percents_is_the_same_mask() -> None:
    mask = np.zeros((1080, 1920), bool)
    mask[333:777, 101:1013] = True
    (value,) = build_value(mask, "polygon", tolerance=1)
    rounded = {"points": [[round(x, 5), round(y, 5)] for x, y in value["points"]]}
    assert np.array_equal(mask_from_value(rounded, "polygon", Size(1920, 1080)), mask)


RECTANGLE = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0}
ELLIPSE = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 20, "rotation": 0}
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("polygon", {}, "A polygon needs at least three points, but this one has no list of points"),
        ("polygon", {"points": "abc"}, "this one has no list of points"),
        ("polygon", {"points": [[1, 2], [3, 4]]}, "this one has 2 points"),
        ("polygon", {"points": [[1, 2], [3, 4], [5, NAN]]}, r"Point 3 of a polygon is \[5, nan\], not two percentages"),
        ("polygon", {"points": [[1, 2], [3], [5, 6]]}, r"Point 2 of a polygon is \[3\], not"),
        ("polygon", {"points": [None, [3, 4], [5, 6]]}, "Point 1 of a polygon is None, not"),
        ("polygon", {"points": [["1", 2], [3, 4], [5, 6]]}, r"Point 1 of a polygon is \['1', 2\], not"),
        ("polygon", {"points": [[True, 2], [3, 4], [5, 6]]}, r"Point 1 of a polygon is \[True, 2\], not"),
        ("polygon", {"points": [[1e300, 2], [3, 4], [5, 6]]}, r"Point 1 of a polygon is \[1e\+300, 2\], not"),
        ("rectangle", RECTANGLE | {"x": NAN}, 'The rectangle has "x": nan, which is not a number from -1000 to 1000'),
        ("rectangle", RECTANGLE | {"y": "9"}, 'The rectangle has "y": 9, which is not a number'),
        ("rectangle", RECTANGLE | {"width": 0}, 'The rectangle has "width": 0.0, which is not at least 1e-06'),
        ("rectangle", RECTANGLE | {"height": -3}, 'The rectangle has "height": -3.0, which is not at least 1e-06'),
        ("rectangle", RECTANGLE | {"rotation": INFINITE}, 'The rectangle has "rotation": inf, which is not a number'),
        ("ellipse", ELLIPSE | {"radiusX": 0}, 'The ellipse has "radiusX": 0.0, which is not at least 1e-06'),
        ("ellipse", ELLIPSE | {"radiusY": -1}, 'The ellipse has "radiusY": -1.0, which is not at least 1e-06'),
        ("ellipse", ELLIPSE | {"radiusY": None}, 'The ellipse has "radiusY": None, which is not a number'),
        ("rectangle", RECTANGLE | {"width": 1e308}, r'The rectangle has "width": 1e\+308, which is not a number from'),
        ("rectangle", RECTANGLE | {"rotation": 1e308}, r'The rectangle has "rotation": 1e\+308, which is not a number'),
        ("ellipse", ELLIPSE | {"radiusX": 1e-320}, r'The ellipse has "radiusX": 1e-320, which is not at least 1e-06'),
        ("ellipse", ELLIPSE | {"y": 10**400}, 'The ellipse has "y": .*, which is not a number'),
        ("brush", {}, 'The brush has no mask: its value has no "rle"'),
        ("brush", {"rle": None}, "A brush mask must be a list of bytes, but is NoneType"),
        ("bitmask", {}, 'The bitmask has "imageDataURL": None'),
        ("keypoint", {"x": 1, "y": 2}, "A keypoint region has no mask; kinds with a mask are: brush, bitmask, polygon"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_kind(kind: str, value: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRegion, match=f"{message}.*draw it again"):
        mask_from_value(value, kind, Size(8, 6))


@pytest.mark.parametrize("kind", ["rectangle", "ellipse"])
def test_a_missing_rotation_is_none(kind: str) -> None:
    value = RECTANGLE if kind == "rectangle" else ELLIPSE
    unturned = {key: number for key, number in value.items() if key != "rotation"}
    size = Size(40, 30)
    assert np.array_equal(mask_from_value(unturned, kind, size), mask_from_value(value, kind, size))
    assert np.array_equal(mask_from_value(value | {"rotation": None}, kind, size), mask_from_value(value, kind, size))


def test_label_studios_own_export_of_the_polygon_is_the_mask_with_its_hole_and_parts(tmp_path: Path) -> None:
    """Through the SDK's COCO converter and pycocotools, as another tool will read the annotation."""
    mask = np.zeros((24, 32), bool)
    mask[2:20, 3:18] = True
    mask[6:12, 7:12] = False
    mask[15:22, 24:31] = True
    mask &= ~np.eye(24, 32, dtype=bool)
    (value,) = build_value(mask, "polygon", tolerance=0)
    result = {
        "id": "r", "type": "polygonlabels", "from_name": "s", "to_name": "i", "original_width": 32,
        "original_height": 24, "value": value | {"polygonlabels": ["Dog"]},
    }  # fmt: skip
    annotation = {"id": 1, "was_cancelled": False, "completed_by": {"id": 1, "email": "a@b.org"}, "result": [result]}
    document = {"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [annotation]}
    source = tmp_path / "tasks.json"
    source.write_text(json.dumps([document]))
    config = '<View><Image name="i" value="$image"/><PolygonLabels name="s" toName="i"><Label value="Dog"/>'
    converter = Converter(f"{config}</PolygonLabels></View>", str(tmp_path), download_resources=False)
    converter.convert(str(source), str(tmp_path / "out"), "COCO", is_dir=False, image_dir=str(tmp_path))
    (theirs,) = json.loads((tmp_path / "out" / "result.json").read_text())["annotations"]
    (rle,) = coco_mask.frPyObjects(theirs["segmentation"], 24, 32)
    assert np.array_equal(coco_mask.decode(rle) > 0, mask)


@settings(deadline=None)
@given(st.floats(5, 60), st.floats(5, 60), st.floats(5, 40), st.floats(5, 40), st.floats(-180, 360))
def test_a_turned_rectangle_has_the_corners_of_the_sdk(
    x: float, y: float, width: float, height: float, rotation: float
) -> None:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation}
    corners = convert_annotation_to_yolo_obb(value | {"original_width": 90, "original_height": 60}, normalize=False)
    theirs, ours = polygon_to_mask(np.array(corners), Size(90, 60)), mask_from_value(value, "rectangle", Size(90, 60))
    assert np.count_nonzero(theirs ^ ours) <= 2  # a middle of a pixel that lies on the border to the last bit


def test_a_polygon_whose_edges_cross_the_image_too_often_is_refused_before_it_is_drawn() -> None:
    zigzag = [[100 * number / 30_000, 100 * (number % 2)] for number in range(30_000)]
    with pytest.raises(BadRegion, match=r"30000 edges of a polygon cross 3000000 rows of an image of only 100x100"):
        mask_from_value({"points": zigzag}, "polygon", Size(100, 100))
    assert mask_from_value({"points": zigzag[:9_000]}, "polygon", Size(100, 100)).shape == (100, 100)
