"""Tests of the labeling interfaces in docs/labeling_interfaces.md: parsing, clicks, and the SDK's validation."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface

from backend.geometry import mask_iou
from backend.label_studio.config import ImageConfig, parse_labeling_config
from backend.label_studio.results import parse_regions
from tests.fakes import FakeClassifier, Hall
from tests.paths import DOCS

DOCUMENT = (DOCS / "labeling_interfaces.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"### (?P<title>[^\n]+)\n.*?```xml\n(?P<xml>.*?)```\n\nAnswer: (?P<types>[^\n]+)\n", re.DOTALL)
EXAMPLES = [
    pytest.param(m["xml"], re.findall("`(.*?)`", m["types"]), id=m["title"]) for m in EXAMPLE.finditer(DOCUMENT)
]


def click(config: ImageConfig, x: float = 50, y: float = 50) -> list[dict[str, Any]]:
    """A smart keypoint with the first label, as Label Studio sends it for this config: a plain one is two results."""
    control = config.keypoints[0]
    label = config.answer_classes[0].name if control.labels_name else control.label_names[0]
    value = {"x": x, "y": y, "width": 0.2, "labels": [label]}
    shared = {"id": "kp", "to_name": control.to_name, "original_width": 40, "original_height": 30, "is_positive": True}
    if control.labels_name is None:
        return [
            shared | {"type": "keypointlabels", "from_name": control.name, "value": value | {"keypointlabels": [label]}}
        ]
    return [
        shared | {"type": "keypoint", "from_name": control.name, "value": value},
        shared | {"type": "labels", "from_name": control.labels_name, "value": value},
    ]


def answer(xml: str, prompts: list[dict[str, Any]]) -> dict[str, Any]:
    config = parse_labeling_config(xml)
    data = {image.data_key: "a.png" for image in config.images}
    return Hall(classifier=FakeClassifier()).task_document({"id": 1, "data": data}, xml, prompts)


def test_every_example_of_the_document_is_tested() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("```xml") == DOCUMENT.count("Answer: `")
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize(("xml", "types"), EXAMPLES)
def test_a_click_is_answered_as_documented(xml: str, types: list[str]) -> None:
    config = parse_labeling_config(xml).images[0]
    results = answer(xml, click(config))["result"]
    assert [result["type"] for result in results] == types
    assert {result["id"] for result in results} == {results[0]["id"]}
    (region,) = parse_regions(results, config)
    expected = np.zeros((30, 40), bool)
    expected[13:18, 18:23] = True  # 50 % of 40x30 is (20, 15); the fake draws 5x5 around it
    assert mask_iou(region.mask, expected) > 0.8
    assert (region.label, region.score) == (click(config)[0]["value"]["labels"][0], 0.9)


@pytest.mark.parametrize(("xml", "types"), EXAMPLES)
def test_label_studios_sdk_accepts_the_answer_as_a_prediction(xml: str, types: list[str]) -> None:
    document = json.loads(json.dumps(answer(xml, click(parse_labeling_config(xml).images[0]))))
    assert LabelInterface(xml).validate_prediction(document, return_errors=True) == []
