"""The description of a data set from the labeling config."""

from __future__ import annotations

import pytest

from backend.bulk import LabelNames
from backend.label_studio.config import parse_labeling_config
from scripts.exporting.data_set import order_key_points, read_colours


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"nose": 2, "tail": 0, "paw": 1}, ("tail", "paw", "nose")),
        ({"nose": 1}, ("tail", "nose", "paw")),
        ({}, ("nose", "tail", "paw")),
        ({"nose": 1, "tail": 1}, ("nose", "tail", "paw")),
        ({"nose": 3}, ("nose", "tail", "paw")),
    ],
)
def test_key_points_stand_at_their_places_in_a_pose(places: dict[str, int], expected: tuple[str, ...]) -> None:
    assert order_key_points(LabelNames((), ("nose", "tail", "paw"), places)) == expected


def test_colours_are_those_of_the_labeling_config_in_any_way_that_css_writes_them() -> None:
    config = """<View><Image name="image" value="$image"/><BrushLabels name="mask" toName="image">
    <Label value="cat" background="#8B0000"/><Label value="dog" background="red"/><Label value="cow"/>
    <Label value="emu" background="nocolour"/></BrushLabels></View>"""
    assert read_colours(parse_labeling_config(config)) == {"cat": "#8b0000", "dog": "#ff0000"}
