"""Bodies of /predict and tasks of the API become tasks."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backend.errors import BadConfig, BadPrompt, BadRequest
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import Task, parse_predict_request, parse_task
from backend.label_studio.requests.tasks import parse_project_id
from tests.paths import PAYLOADS
from tests.recorded import load_payload

INTERACTIVE = sorted(path.stem for path in PAYLOADS.glob("interactive_*.json"))


@pytest.mark.parametrize("name", INTERACTIVE)
def test_every_recorded_click_is_one_task_with_one_prompt(name: str) -> None:
    request = parse_predict_request(load_payload(name))
    (task,) = request.tasks
    assert request.interactive and request.project_id == "3" == task.project_id
    assert task.task_id == load_payload(name)["tasks"][0]["id"]
    assert task.image_uri.startswith("/data/local-files/?d=imgs/")
    assert len(task.prompts) == 1
    assert task.prompts[0].label in ("Dog", "Cat")


def test_a_recorded_batch_is_tasks_without_prompts() -> None:
    request = parse_predict_request(load_payload("batch_predict_3_tasks"))
    uri = "/data/local-files/?d=imgs/a640.png"
    assert request.tasks == tuple(Task(task_id, "3", uri, image_name="image") for task_id in (71, 72, 73))
    assert not request.interactive


def test_a_body_without_params_is_a_batch() -> None:
    body = load_payload("batch_predict_3_tasks")
    del body["params"]
    assert not parse_predict_request(body).interactive


def test_drafts_are_no_prompts() -> None:
    """The draft holds a rectangle, the context the keypoint that was just clicked."""
    (task,) = parse_predict_request(load_payload("interactive_keypoint_with_draft")).tasks
    assert [prompt.prompt.box_xyxy for prompt in task.prompts] == [None]


def test_a_context_without_results_is_a_click_without_prompts() -> None:
    body = load_payload("interactive_rectangle")
    body["params"]["context"] = {"result": []}
    request = parse_predict_request(body)
    assert request.interactive and request.tasks[0].prompts == ()


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
    assert parse_predict_request(heavy) == parse_predict_request(body)


def test_a_task_of_the_api_brings_its_own_project(config: LabelingConfig) -> None:
    document = {"id": 5, "project": 12, "data": {"image": " s3://bucket/a.png "}}
    assert parse_task(document, config) == Task(5, "12", "s3://bucket/a.png", image_name="image")
    assert parse_task(document, config, project_id="7").project_id == "7"


def test_a_task_without_an_id_has_none(config: LabelingConfig) -> None:
    assert parse_task({"data": {"image": "/a.png"}}, config) == Task(None, "", "/a.png", image_name="image")


def changed(**changes: Any) -> dict[str, Any]:
    return {**load_payload("interactive_keypoint_positive"), **changes}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([1], "The body is a list, not an object"),
        ({}, '"tasks" is missing, not a list'),
        (changed(tasks={"id": 1}), '"tasks" is an object, not a list'),
        (changed(label_config=None), '"label_config" is missing, not a text'),
        (changed(label_config=5), '"label_config" is a number, not a text'),
        (changed(tasks=[None]), 'A task has "data" with the image; here it is missing'),
        (changed(tasks=[{"id": 1, "data": [1]}]), "here it is a list"),
        (
            changed(tasks=[{"id": 9, "data": {"a": 1, "b": 2}}]),
            'Task 9 has no image under "image", its data holds: a, b',
        ),
        (changed(tasks=[{"id": 9, "data": {}}]), "its data holds: nothing"),
        (changed(tasks=[{"id": 9, "data": {"image": None}}]), 'Task 9 has no image under "image" but missing'),
        (changed(tasks=[{"id": 9, "data": {"image": ["a"]}}]), 'Task 9 has no image under "image" but a list'),
        (changed(tasks=[{"id": 9, "data": {"image": " "}}]), 'no image under "image" but an empty text'),
        (changed(params=5), '"params" is a number, not an object.*Send what Label Studio sends'),
        (changed(params={"context": 5}), '"params.context" is a number, not an object'),
        (changed(params={"context": []}), '"params.context" is a list, not an object'),
        (changed(params=None, context="click"), '"context" is a text, not an object'),
        (changed(project="../../x"), '"project" is "../../x", which does not begin with the number.*Send its id'),
        (changed(project="3x.1795206950"), '"project" is "3x.17'),
        (changed(project=[3]), r'"project" is "\[3\]"'),
        (changed(project=True), '"project" is "True"'),
        (changed(project="-3"), '"project" is "-3"'),
        (changed(project="٣.1"), '"project" is "٣.1"'),
        (changed(params={"context": {"result": "x"}}), '"context.result" is a text, not a list'),
        (changed(tasks=load_payload("batch_predict_3_tasks")["tasks"]), "belongs to one task, but 3 tasks came"),
    ],
)
def test_a_body_that_label_studio_would_not_send_is_refused(body: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refusal:
        parse_predict_request(body)
    assert refusal.value.http_status == 400
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
def test_no_message_carries_a_megabyte_into_a_log(changes: dict[str, Any]) -> None:
    with pytest.raises((BadRequest, BadConfig)) as refusal:
        parse_predict_request(changed(**changes))
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
def test_no_message_about_a_prompt_carries_a_megabyte_into_a_log(changes: dict[str, Any]) -> None:
    body = load_payload("interactive_keypoint_positive")
    body["params"]["context"]["result"][0] |= changes
    with pytest.raises(BadPrompt) as refusal:
        parse_predict_request(body)
    assert len(str(refusal.value)) < 2000


def test_a_config_and_a_prompt_are_refused_by_their_own_names() -> None:
    with pytest.raises(BadConfig, match="no Image tag"):
        parse_predict_request(changed(label_config="<View/>"))
    body = load_payload("interactive_keypoint_positive")
    body["params"]["context"]["result"][0]["value"]["x"] = 140
    with pytest.raises(BadPrompt, match=r"The point \(140 %"):
        parse_predict_request(body)


def test_a_recorded_plain_key_point_has_the_label_of_the_labels_control() -> None:
    (task,) = parse_predict_request(load_payload("plain_keypoint")).tasks
    (prompt,) = task.prompts
    assert (prompt.label, prompt.prompt.point_labels) == ("green", (1,))
    assert prompt.prompt.point_coords[0] == pytest.approx(
        (258.557, 108.590), abs=1e-3
    )  # 40.3996 % of 640, 22.623 of 480


def test_a_recorded_plain_rectangle_has_the_label_of_the_labels_control() -> None:
    (task,) = parse_predict_request(load_payload("plain_rectangle")).tasks
    (prompt,) = task.prompts
    assert (prompt.label, prompt.prompt.point_coords) == ("blue", ())
    assert prompt.prompt.box_xyxy == pytest.approx((431.165, 48.923, 590.277, 222.952), abs=1e-3)


def test_a_plain_prompt_without_a_label_is_none_and_one_that_the_config_has_not_got_is_refused() -> None:
    body = copy.deepcopy(load_payload("plain_keypoint"))
    point, labels = body["params"]["context"]["result"]
    body["params"]["context"]["result"] = [point | {"value": {key: point["value"][key] for key in ("x", "y")}}]
    assert [prompt.label for prompt in parse_predict_request(body).tasks[0].prompts] == [""]
    wrong = {"value": labels["value"] | {"labels": ["Unicorn"]}}
    body["params"]["context"]["result"] = [point | wrong, labels | wrong]
    with pytest.raises(BadPrompt, match='"Unicorn" is not in the control "pt", which has: red, orange'):
        parse_predict_request(body)


def test_recorded_answers_in_the_control_of_the_rectangles_are_no_prompts() -> None:
    """Label Studio sends the accepted rectangle along with the one that was drawn after it."""
    body = load_payload("rectangle_beside_answers")
    drawn = body["params"]["context"]["result"]
    assert [result["type"] for result in drawn] == ["rectanglelabels", "number", "rectanglelabels"]
    (prompt,) = parse_predict_request(body).tasks[0].prompts
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


def test_a_task_without_a_prompt_is_all_images_that_it_has() -> None:
    config = parse_labeling_config(TWO)
    task = parse_task({"id": 1, "data": {"l": "l.png", "r": "r.png"}}, config)
    assert [(image.image_uri, image.image_name) for image in task.images] == [("l.png", "left"), ("r.png", "right")]
    (only,) = parse_task({"id": 1, "data": {"r": "r.png"}}, config).images
    assert (only.image_uri, only.image_name) == ("r.png", "right")
    with pytest.raises(BadRequest, match='no image under "l"'):
        parse_task({"id": 1, "data": {"other": "r.png"}}, config)


def test_a_prompt_says_which_image_it_is_for() -> None:
    config, document = parse_labeling_config(TWO), {"id": 1, "data": {"l": "l.png", "r": "r.png"}}
    task = parse_task(document, config, [keypoint_on("right", "kr")])
    assert (task.image_uri, task.image_name, task.others) == ("r.png", "right", ())
    assert parse_task(document, config, [keypoint_on("left", "kl")]).image_uri == "l.png"
    with pytest.raises(BadPrompt, match=r'on the image "map", but those that can be answered are: left, right\.'):
        parse_task(document, config, [keypoint_on("map", "k")])
    with pytest.raises(BadPrompt, match='comes from the control "kl", but the controls of its kind are: kr'):
        parse_task(document, config, [keypoint_on("right", "kl")])
