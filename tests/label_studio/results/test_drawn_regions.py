"""What was drawn: outlines in pixels, and key points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.geometry import polygon_to_mask
from backend.label_studio.config import label_colours, parse_labeling_config, pose_indexes
from backend.label_studio.results import Verdict, find_drawn, outline_of
from tests.bulk.annotated import MIXED, SIZE, Json, box, point, result

CONFIG = parse_labeling_config(MIXED).images[0]


def outline(drawn: Json) -> Any:
    (found,) = find_drawn([drawn], CONFIG)
    assert found.region is not None
    return outline_of(found.region)


def test_a_polygon_is_its_points_in_pixels() -> None:
    drawn = result("polygon", "outline", {"points": [[0, 0], [50, 0], [50, 50]]})
    assert outline(drawn) == ((0, 0), (20, 0), (20, 10))


def test_a_rectangle_turns_clockwise_about_its_top_left_corner() -> None:
    """8 x 3 pixels at (16, 3), turned by 90 degrees: they hang down to the left of the corner."""
    turned = box(16, 3, 8, 3)
    turned["value"]["rotation"] = 90
    np.testing.assert_allclose(outline(turned), [(16, 3), (16, 11), (13, 11), (13, 3)], atol=1e-9)


@given(st.integers(0, 30), st.integers(0, 15), st.integers(1, 20), st.integers(1, 15), st.integers(-720, 720))
def test_the_outline_of_a_rectangle_covers_its_mask(left: int, top: int, width: int, height: int, degrees: int) -> None:
    turned = box(left, top, width, height)
    turned["value"]["rotation"] = degrees
    (found,) = find_drawn([turned], CONFIG)
    assert found.region is not None
    mask = found.region.decode().mask
    drawn = polygon_to_mask(np.array(outline_of(found.region)), SIZE)
    assert (mask ^ drawn).sum() <= 2 * (width + height)  # centres of pixels that the edge meets


def test_other_shapes_have_no_outline() -> None:
    ellipse = result("ellipse", "round", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 0})
    assert outline(ellipse) == ()


@pytest.mark.parametrize(
    ("drawn", "verdict"),
    [
        (box(1, 1, 4, 4), Verdict.UNCLEAR),
        (box(1, 1, 4, 4, control="gone"), Verdict.UNCLEAR),
        (box(1, 1, 4, 4, control="drag"), Verdict.PROMPT),
        (box(1, 1, 4, 4, region_id="0123456789abcdef"), Verdict.WORK),
        (box(1, 1, 4, 4, origin="prediction-changed"), Verdict.WORK),
        (point(1, 1), Verdict.UNCLEAR),
        (point(1, 1, is_positive=True), Verdict.PROMPT),
        (point(1, 1, control="pose", is_positive=True), Verdict.PROMPT),
        (point(1, 1, control="click"), Verdict.PROMPT),
        (point(1, 1, control="pose"), Verdict.WORK),
        (point(1, 1, region_id="0123456789abcdef"), Verdict.UNCLEAR),
        (result("polygon", "outline", {"points": [[0, 0], [50, 0], [50, 50]]}), Verdict.WORK),
    ],
)
def test_a_region_is_judged_by_its_control_id_and_origin(drawn: Json, verdict: Verdict) -> None:
    (found,) = find_drawn([drawn], CONFIG)
    assert found.verdict is verdict


def test_boxes_are_work_where_no_other_shape_could_hold_an_answer() -> None:
    only = '<View><Image name="image" value="$i"/><RectangleLabels name="box" toName="image"><Label value="cat"/>'
    config = parse_labeling_config(f"{only}</RectangleLabels></View>").images[0]
    (found,) = find_drawn([box(1, 1, 4, 4)], config)
    assert found.verdict is Verdict.WORK


def test_colours_and_places_in_a_pose_come_from_the_labels() -> None:
    config = parse_labeling_config(MIXED.replace('value="dog"/>', 'value="Hund" alias="dog" background="red"/>'))
    assert label_colours(config) == {"dog": "red", "cat": "#ff0000"}
    assert pose_indexes(config) == {"nose": 1, "tail": 0}
    assert pose_indexes(parse_labeling_config(MIXED.replace('index="1"', 'index="first"'))) == {"tail": 0}
