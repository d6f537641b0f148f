"""Parsing of /predict bodies and of tasks from the API."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backend.errors import BadConfig, BadPrompt, BadRequest
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import (
    ClassifyImage,
    Click,
    FindText,
    Task,
    TaskImage,
    parse_prompted_task,
    parse_task,
)
from backend.label_studio.requests.tasks import parse_project_id
from tests.label_studio.requests.drawn import parse, point
from tests.paths import PAYLOADS
from tests.recorded import load_payload

INTERACTIVE = sorted(path.stem for path in PAYLOADS.glob("interactive_*.json"))


def one_image(task_id: int | None, project_id: str, uri: str) -> Task:
    return Task(task_id, project_id, (TaskImage("image", uri, task_id, project_id),))


@pytest.mark.parametrize("name", INTERACTIVE)
def test_every_recorded_click_is_one_task_with_one_prompt(name: str) -> None:
    request = parse(load_payload(name))
    (task,) = request.tasks
    assert request.project_id == "3" == task.project_id
    assert task.task_id == load_payload(name)["tasks"][0]["id"]
    assert task.images[0].uri.startswith("/data/local-files/?d=imgs/")
    assert isinstance(request.request, Click)
    (prompt,) = request.request.prompts
    assert prompt.label in ("Dog", "Cat")


def test_a_recorded_batch_is_tasks_without_prompts() -> None:
    request = parse(load_payload("batch_predict_3_tasks"))
    uri = "/data/local-files/?d=imgs/a640.png"
    assert request.tasks == tuple(one_image(task_id, "3", uri) for task_id in (71, 72, 73))
    assert request.request == ClassifyImage()


def test_a_body_without_params_is_a_batch() -> None:
    body = load_payload("batch_predict_3_tasks")
    del body["params"]
    assert parse(body).request == ClassifyImage()


def test_drafts_are_not_prompts() -> None:
    """The draft has a rectangle, and the context the keypoint that was just clicked."""
    prompts = parse(load_payload("interactive_keypoint_with_draft")).request.prompts
    assert [prompt.prompt.box_xyxy for prompt in prompts] == [None]


def test_a_context_without_results_is_a_click_without_prompts() -> None:
    body = load_payload("interactive_rectangle")
    body["params"]["context"] = {"result": []}
    request = parse(body)
    assert request.request is None


class UnreadList(list):
    """A list that may be carried around and not looked into."""

    def _refuse(self, *_: object) -> Any:
        raise AssertionError("a saved mask was read")

    __iter__ = __getitem__ = __len__ = __contains__ = __eq__ = _refuse
    __hash__ = None


@pytest.mark.parametrize("saved_as", ["annotations", "predictions", "drafts"])
def test_parsing_reads_no_saved_mask_however_many_regions_the_task_has(saved_as: str) -> None:
    body = load_payload("interactive_keypoint_positive")
    heavy = copy.deepcopy(body)
    result = [{"type": "brushlabels", "value": {"rle": UnreadList([0])}} for _ in range(200)]
    heavy["tasks"][0][saved_as] = [{"result": result}]
    assert parse(heavy) == parse(body)


def test_a_task_of_the_api_has_its_own_project(page: LabelingConfig) -> None:
    document = {"id": 5, "project": 12, "data": {"image": " s3://bucket/a.png "}}
    assert parse_task(document, page) == one_image(5, "12", "s3://bucket/a.png")
    assert parse_task(document, page, project_id="7").project_id == "7"


@pytest.mark.parametrize("task_id", [{}, {"id": None}, {"id": True}, {"id": "7"}, {"id": 7.5}, {"id": [7]}])
def test_a_task_without_an_id_has_none(task_id: dict[str, Any], page: LabelingConfig) -> None:
    assert parse_task(task_id | {"data": {"image": "/a.png"}}, page) == one_image(None, "", "/a.png")


def changed(**changes: Any) -> dict[str, Any]:
    return {**load_payload("interactive_keypoint_positive"), **changes}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([1], "The request body must be a JSON object, but is a list"),
        ({}, '"tasks" must be a list, but is missing'),
        (changed(tasks={"id": 1}), '"tasks" must be a list, but is an object'),
        (changed(label_config=None), '"label_config" must be a string, but is missing'),
        (changed(label_config=5), '"label_config" must be a string, but is a number'),
        (changed(tasks=[None]), '"data" of a task must be an object, but is missing'),
        (changed(tasks=[{"id": 1, "data": [1]}]), "must be an object, but is a list"),
        (
            changed(tasks=[{"id": 9, "data": {"a": 1, "b": 2}}]),
            'Task 9 has no image under "image"; its data has the keys: a, b',
        ),
        (changed(tasks=[{"id": 9, "data": {}}]), "its data has the keys: none"),
        (
            changed(tasks=[{"id": 9, "data": {"image": None}}]),
            'Task 9 has no image under "image"; the value is missing',
        ),
        (
            changed(tasks=[{"id": 9, "data": {"image": ["a"]}}]),
            'Task 9 has no image under "image"; the value is a list',
        ),
        (changed(tasks=[{"id": 9, "data": {"image": " "}}]), 'no image under "image"; the value is an empty string'),
        (changed(params=5), '"params" must be an object, but is a number.*Send a request body as Label Studio does'),
        (changed(params={"context": 5}), '"params.context" must be an object, but is a number'),
        (changed(params={"context": []}), '"params.context" must be an object, but is a list'),
        (changed(params=None, context="click"), '"context" must be an object, but is a string'),
        (changed(project="../../x"), '"project" must start with a project id, but is "../../x".*Send the id'),
        (changed(project="3x.1795206950"), 'must start with a project id, but is "3x.17'),
        (changed(project=[3]), r'must start with a project id, but is "\[3\]"'),
        (changed(project=True), 'must start with a project id, but is "True"'),
        (changed(project="-3"), 'must start with a project id, but is "-3"'),
        (changed(project="٣.1"), 'must start with a project id, but is "٣.1"'),
        (
            changed(params={"context": {"result": [point(5, 5, to_name=["image"])]}}),
            '"to_name" of a prompt must be a string, but is a list',
        ),
        (
            changed(params={"context": {"result": [point(5, 5, type={"a": 1})]}}),
            '"type" of a prompt must be a string, but is an object',
        ),
        (
            changed(params={"context": {"result": [point(5, 5, from_name=7)]}}),
            '"from_name" of a prompt must be a string, but is a number',
        ),
        (
            changed(params={"context": {"result": [point(5, 5, id=["a"])]}}),
            '"id" of a prompt must be a string, but is a list',
        ),
        (changed(params={"context": {"result": "x"}}), '"context.result" must be a list, but is a string'),
        (changed(tasks=load_payload("batch_predict_3_tasks")["tasks"]), "must have exactly one task, but has 3"),
    ],
)
def test_a_body_in_another_format_than_label_studios_is_rejected(body: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refusal:
        parse(body)
    assert type(refusal.value) is BadRequest  # not a subclass, which has another HTTP status
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("project", "project_id"), [("3.1795206950", "3"), ("12", "12"), (7, "7"), (3.5, "3"), (None, ""), ("", "")]
)
def test_the_project_is_the_number_before_the_dot(project: Any, project_id: str) -> None:
    assert parse_project_id(project) == project_id


HUGE = "x" * 1_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"project": HUGE},
        {"project": "1" * 1_000_000},
        {"project": [HUGE]},
        {"tasks": [{"id": HUGE, "data": {HUGE: 1}}]},
        {"label_config": f'<View><Image name="{HUGE[:400_000]}" value="{HUGE[:400_000]}"/></View>'},
    ],
)
def test_error_messages_are_short_even_if_the_values_are_not(changes: dict[str, Any]) -> None:
    with pytest.raises((BadRequest, BadConfig)) as refusal:
        parse(changed(**changes))
    assert len(str(refusal.value)) < 2000


@pytest.mark.parametrize(
    "changes",
    [
        {"value": {"x": 1, "y": 1, "keypointlabels": [HUGE]}},
        {"value": {"x": HUGE, "y": 1, "keypointlabels": ["Dog"]}},
        {"from_name": HUGE},
        {"type": HUGE},
        {"is_positive": HUGE},
        {"original_width": HUGE},
    ],
)
def test_error_messages_about_prompts_are_short_even_if_the_values_are_not(changes: dict[str, Any]) -> None:
    body = load_payload("interactive_keypoint_positive")
    body["params"]["context"]["result"][0] |= changes
    with pytest.raises(BadPrompt) as refusal:
        parse(body)
    assert len(str(refusal.value)) < 2000


def test_an_invalid_config_and_an_invalid_prompt_have_their_own_errors() -> None:
    with pytest.raises(BadConfig, match="no Image tag"):
        parse(changed(label_config="<View/>"))
    body = load_payload("interactive_keypoint_positive")
    body["params"]["context"]["result"][0]["value"]["x"] = 140
    with pytest.raises(BadPrompt, match=r"The point \(140 %"):
        parse(body)


def test_a_recorded_plain_key_point_has_the_label_of_the_labels_control() -> None:
    (prompt,) = parse(load_payload("plain_keypoint")).request.prompts
    assert (prompt.label, prompt.prompt.point_labels) == ("green", (1,))
    assert prompt.prompt.point_coords[0] == pytest.approx(
        (258.557, 108.590), abs=1e-3
    )  # 40.3996 % of 640, 22.623 of 480


def test_a_recorded_plain_rectangle_has_the_label_of_the_labels_control() -> None:
    (prompt,) = parse(load_payload("plain_rectangle")).request.prompts
    assert (prompt.label, prompt.prompt.point_coords) == ("blue", ())
    assert prompt.prompt.box_xyxy == pytest.approx((431.165, 48.923, 590.277, 222.952), abs=1e-3)


def test_recorded_prompts_of_one_row_of_labels_keep_the_picked_label_and_leave_the_choice_where_none_is() -> None:
    (click,) = parse(load_payload("one_row_click_and_alt_click")).request.prompts
    assert (click.label, click.prompt.point_labels) == ("red", (1, 0))
    (click,) = parse(load_payload("one_row_click_without_label")).request.prompts
    assert (click.label, click.prompt.point_labels) == ("", (1,))
    (box,) = parse(load_payload("one_row_box_without_label")).request.prompts
    assert box.label == "" and box.prompt.box_xyxy is not None


def test_a_recorded_text_is_found_beside_the_choice_for_the_whole_image() -> None:
    body = load_payload("one_row_text")
    assert [one["from_name"] for one in body["params"]["context"]["result"]] == ["background", "find"]
    request = parse(body, "find").request
    assert isinstance(request, FindText) and request.texts == ("the pink ring",)
    assert [region.region_id for region in request.accepted] == ["a3b540c1862a454f", "cf67f2be22c84a58"]  # in the draft


def test_a_plain_prompt_may_have_no_label_but_not_an_unknown_one() -> None:
    body = copy.deepcopy(load_payload("plain_keypoint"))
    point, labels = body["params"]["context"]["result"]
    body["params"]["context"]["result"] = [point | {"value": {key: point["value"][key] for key in ("x", "y")}}]
    assert [prompt.label for prompt in parse(body).request.prompts] == [""]
    wrong = {"value": labels["value"] | {"labels": ["Unicorn"]}}
    body["params"]["context"]["result"] = [point | wrong, labels | wrong]
    with pytest.raises(BadPrompt, match='"Unicorn" is not in the control "pt", which has: red, orange'):
        parse(body)


def test_recorded_answers_in_the_rectangle_control_are_not_prompts() -> None:
    """Label Studio sends the accepted rectangle along with the one that was drawn after it."""
    body = load_payload("rectangle_beside_answers")
    drawn = body["params"]["context"]["result"]
    assert [result["type"] for result in drawn] == ["rectanglelabels", "number", "rectanglelabels"]
    (prompt,) = parse(body).request.prompts
    assert prompt.prompt.box_xyxy is not None
    assert prompt.prompt.box_xyxy[0] == pytest.approx(426.903, abs=1e-3)  # 66.7036 % of 640, the second one's


TWO = """<View><Image name="left" value="$l"/><BrushLabels name="b" toName="left"><Label value="x"/></BrushLabels>
<KeyPointLabels name="kl" toName="left"><Label value="x"/></KeyPointLabels>
<Image name="right" value="$r"/><BrushLabels name="c" toName="right"><Label value="x"/></BrushLabels>
<KeyPointLabels name="kr" toName="right"><Label value="x"/></KeyPointLabels></View>"""


def keypoint_on(image: str, control: str) -> dict[str, Any]:
    value = {"x": 50, "y": 50, "keypointlabels": ["x"]}
    size = {"original_width": 40, "original_height": 30}
    return {"id": "p", "type": "keypointlabels", "from_name": control, "to_name": image, "value": value} | size


def test_a_task_without_a_prompt_has_all_images_in_its_data() -> None:
    config = parse_labeling_config(TWO)
    task = parse_task({"id": 1, "data": {"l": "l.png", "r": "r.png"}}, config)
    assert [(image.uri, image.name) for image in task.images] == [("l.png", "left"), ("r.png", "right")]
    (only,) = parse_task({"id": 1, "data": {"r": "r.png"}}, config).images
    assert (only.uri, only.name) == ("r.png", "right")
    with pytest.raises(BadRequest, match='no image under "l"'):
        parse_task({"id": 1, "data": {"other": "r.png"}}, config)


def test_a_prompt_selects_the_image_it_was_drawn_on() -> None:
    config, document = parse_labeling_config(TWO), {"id": 1, "data": {"l": "l.png", "r": "r.png"}}
    for name, control, uri in (("right", "kr", "r.png"), ("left", "kl", "l.png")):
        task, _ = parse_prompted_task(document, config, [keypoint_on(name, control)])
        assert [(image.name, image.uri) for image in task.images] == [(name, uri)]
    with pytest.raises(BadPrompt, match=r'no control for the image "map" \(available images: left, right\)'):
        parse_prompted_task(document, config, [keypoint_on("map", "k")])
    with pytest.raises(BadPrompt, match=r'no keypoint control "kl" for the image \(available: kr\)'):
        parse_prompted_task(document, config, [keypoint_on("right", "kl")])
