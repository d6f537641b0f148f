"""Tests of the three shipped labeling interfaces: each is parsed, answered, and accepted by Label Studio's SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from backend.label_studio.config import (
    check_text_prompt,
    find_message_line,
    parse_labeling_config,
    read_config_settings,
)
from backend.label_studio.results import parse_regions
from backend.projects.project_settings import parse_project_settings
from tests.fakes import FakeClassifier, Hall
from tests.paths import DOCS, ROOT

ONE_ROW = {
    "demo": (ROOT / "label_config.xml").read_text(encoding="utf-8"),
    "photographs": (DOCS / "label_config_photos.xml").read_text(encoding="utf-8"),
}
THREE_ROWS = (DOCS / "label_config_three_rows.xml").read_text(encoding="utf-8")
POINT = {"x": 50.0, "y": 50.0, "width": 0.2}
BOX = {"x": 25.0, "y": 25.0, "width": 50.0, "height": 50.0, "rotation": 0}
SHAPES = [("keypoint", "click", POINT), ("rectangle", "box", BOX)]


def result(kind: str, from_name: str, value: dict[str, Any]) -> dict[str, Any]:
    """A prompt on an image of 40x30 pixels."""
    shared = {"id": "p1", "to_name": "image", "original_width": 40, "original_height": 30, "image_rotation": 0}
    return shared | {"type": kind, "from_name": from_name, "value": value}


def one_row(kind: str, name: str, value: dict[str, Any], label: str) -> list[dict[str, Any]]:
    """A prompt of a plain tool, as the page sends it: the label in a second result, if one is picked."""
    labels = [result("labels", "label", value | {"labels": [label]})] if label else []
    return [result(kind, name, value), *labels]


def answer(xml: str, prompts: list[dict[str, Any]]) -> dict[str, Any]:
    document = Hall(classifier=FakeClassifier()).task_document({"id": 1, "data": {"image": "a.png"}}, xml, prompts)
    assert document is not None
    assert LabelInterface(xml).validate_prediction(json.loads(json.dumps(document)), return_errors=True) == []
    return document


@pytest.mark.parametrize("xml", ONE_ROW.values(), ids=ONE_ROW)
@pytest.mark.parametrize(("kind", "name", "value"), SHAPES)
def test_one_row_gives_a_mask_the_picked_label_or_the_one_of_clip(
    xml: str, kind: str, name: str, value: dict[str, Any]
) -> None:
    config = parse_labeling_config(xml).images[0]
    first, *_, last = config.answers[0].label_names
    for picked, expected in ((last, last), ("", first)):  # the fake's choice is the first
        results = answer(xml, one_row(kind, name, value, picked))["result"]
        assert [(one["type"], one["from_name"]) for one in results] == [
            ("brush", "mask"),
            ("labels", "label"),
            ("choices", "class"),
        ]
        (region,) = parse_regions(results, config)
        assert region.label == expected


@pytest.mark.parametrize(("kind", "name", "value"), SHAPES)
def test_three_rows_give_a_mask_the_picked_label_or_with_auto_the_one_of_clip(
    kind: str, name: str, value: dict[str, Any]
) -> None:
    config = parse_labeling_config(THREE_ROWS).images[0]
    first, *_, last = config.answers[0].label_names
    for picked, expected in ((last, last), ("AUTO", first)):
        prompt = result(f"{kind}labels", name, value | {f"{kind}labels": [picked]})
        results = answer(THREE_ROWS, [prompt])["result"]
        assert [(one["type"], one["from_name"]) for one in results] == [("brushlabels", "mask"), ("choices", "class")]
        (region,) = parse_regions(results, config)
        assert region.label == expected


@pytest.mark.parametrize("xml", ONE_ROW.values(), ids=ONE_ROW)
def test_the_settings_of_one_row_name_text_areas_that_are_in_it(xml: str) -> None:
    settings = parse_project_settings(read_config_settings(xml))
    config = parse_labeling_config(xml)
    check_text_prompt(config, settings.text_prompt)
    assert (settings.text_prompt, settings.messages) == ("find", "message")
    assert config.images[0].text_areas == ("find",) and dict(config.other_text_areas) == {"message": "backend"}


@pytest.mark.parametrize("xml", ONE_ROW.values(), ids=ONE_ROW)
def test_the_line_for_messages_and_the_brush_never_ask_the_backend(xml: str) -> None:
    config = LabelInterface(xml)
    assert config.get_control("message").attr["smart"] == "false"
    assert config.get_control("mask").attr["smart"] == "false"


@pytest.mark.parametrize("xml", ONE_ROW.values(), ids=ONE_ROW)
def test_the_line_for_messages_does_not_belong_to_the_image_with_the_labels(xml: str) -> None:
    """Label Studio would give each message the picked label, and pick it again with the next answer."""
    page = parse_labeling_config(xml)
    line = find_message_line(page, parse_project_settings(read_config_settings(xml)).messages, frozenset({"image"}))
    assert line is not None and line.to_name == "backend"
