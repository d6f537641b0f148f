"""Ordinary regions that Label Studio sends along with a click are separated from prompts by their fields."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backend.label_studio.config import ImageConfig, parse_labeling_config
from backend.label_studio.requests.ordinary_regions import drop_ordinary_regions
from backend.label_studio.results import new_region_id
from tests.label_studio.requests.drawn import draft, parse, point, rectangle
from tests.paths import PAYLOADS
from tests.recorded import load_payload

INTERACTIVE = sorted(path.stem for path in PAYLOADS.glob("interactive_*.json"))
XML = load_payload("setup")["schema"]


def plain(x: float, y: float, **more: Any) -> dict[str, Any]:
    """A keypoint of the ordinary tool, for which the editor writes neither `is_positive` nor `labels`."""
    result = point(x, y, **more)
    del result["is_positive"], result["value"]["labels"]
    return result


def kept(context: list[dict[str, Any]], config: ImageConfig, **task: Any) -> list[str]:
    return [result["id"] for result in drop_ordinary_regions(context, task, config)]


@pytest.mark.parametrize("name", INTERACTIVE)
def test_every_recorded_prompt_is_kept(name: str, config: ImageConfig) -> None:
    body = load_payload(name)
    context = body["params"]["context"]["result"]
    assert drop_ordinary_regions(context, body["tasks"][0], config) == context


def test_an_ordinary_keypoint_next_to_smart_ones_is_dropped(config: ImageConfig) -> None:
    context = [plain(1, 1, id="plain"), point(2, 2, id="yes"), point(3, 3, positive=False, id="no")]
    assert kept(context, config) == ["yes", "no"]


def test_keypoints_are_prompts_if_none_of_them_has_is_positive(config: ImageConfig) -> None:
    assert kept([plain(1, 1, id="a"), plain(2, 2, id="b")], config) == ["a", "b"]


def test_ordinary_keypoints_without_a_prompt_are_recognised_by_the_draft(
    config: ImageConfig,
) -> None:
    assert kept([plain(1, 1, id="a")], config, drafts=[draft(plain(1, 1, id="a"))]) == []


@pytest.mark.parametrize("origin", ["prediction", "prediction-changed"])
def test_a_models_region_is_not_a_prompt(origin: str, config: ImageConfig) -> None:
    assert kept([rectangle(id="model", origin=origin), rectangle(id="mine")], config) == ["mine"]


def test_an_accepted_answer_in_the_control_of_the_prompt_is_not_a_prompt(config: ImageConfig) -> None:
    answer = rectangle(id=new_region_id())
    assert kept([answer, rectangle(id="aB3dE6gH9j")], config) == ["aB3dE6gH9j"]


def test_a_submitted_region_is_not_a_prompt(config: ImageConfig) -> None:
    annotations = [{"result": [rectangle(id="submitted")]}, {"result": [point(1, 1, id="kp")]}]
    assert kept([rectangle(id="submitted"), rectangle(id="new")], config, annotations=annotations) == ["new"]
    assert kept([point(1, 1, id="kp"), point(2, 2, id="new")], config, annotations=annotations) == ["new"]


def test_a_pending_rectangle_in_the_draft_is_a_prompt(config: ImageConfig) -> None:
    assert kept([rectangle(id="a"), rectangle(id="b")], config, drafts=[draft(rectangle(id="a"))]) == ["a", "b"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('smart="false"', []),
        ('smart="False"', []),
        ('smart="false" smartOnly="true"', ["r"]),
        ('smartonly="true"', ["r"]),
        ('smart="true"', ["r"]),
        ("", ["r"]),
    ],
)
def test_a_control_without_a_smart_tool_sends_no_prompts(attributes: str, expected: list[str]) -> None:
    tag = '<RectangleLabels name="rect" toName="image" smart="true">'
    assert tag in XML
    config = parse_labeling_config(
        XML.replace(tag, f'<RectangleLabels name="rect" toName="image" {attributes}>')
    ).images[0]
    assert kept([rectangle(id="r")], config) == expected


def test_malformed_drafts_and_annotations_do_not_make_a_click_fail(config: ImageConfig) -> None:
    for broken in (None, 3, {}, [None], [{"result": None}], [{"result": [None, {"id": [1]}]}]):
        assert kept([point(1, 1, id="a")], config, drafts=broken, annotations=broken) == ["a"]


def test_an_ordinary_region_in_a_recorded_click_is_left_out_of_its_prompt() -> None:
    body = copy.deepcopy(load_payload("interactive_keypoint_second"))
    context = body["params"]["context"]["result"]
    without = parse(body).request.prompts
    context.insert(0, plain(90, 90, label="Dog", id="ordinary"))
    assert parse(body).request.prompts == without
    assert len(without[0].prompt.point_coords) == 2


def test_ordinary_regions_alone_are_not_a_request() -> None:
    body = copy.deepcopy(load_payload("interactive_rectangle"))
    rectangles = body["params"]["context"]["result"]
    body["tasks"][0]["annotations"] = [{"id": 1, "result": rectangles}]
    request = parse(body)
    assert request.request is None
