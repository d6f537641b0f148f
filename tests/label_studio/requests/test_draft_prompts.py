"""Boxes and points are combined from the context and the draft; expected coordinates are computed by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import Click, parse_prompted_task
from backend.label_studio.requests.draft_prompts import newest_draft
from backend.values import Prompt
from tests.label_studio.requests.drawn import draft, mask, parse, point, rectangle, result
from tests.recorded import load_payload

BOX = (64.0, 48.0, 256.0, 192.0)  # of `rectangle()`: 10..40 % of 640 and of 480


def click(context: list[dict[str, Any]], *drafts: dict[str, Any], annotations: tuple[Any, ...] = ()) -> Click:
    body = copy.deepcopy(load_payload("interactive_keypoint_positive"))
    body["tasks"][0] |= {"drafts": list(drafts), "annotations": list(annotations)}
    body["params"]["context"]["result"] = context
    request = parse(body).request
    assert isinstance(request, Click)
    return request


def prompts(*args: Any, **kwargs: Any) -> list[Prompt]:
    return [prompt.prompt for prompt in click(*args, **kwargs).prompts]


def test_a_negative_point_is_combined_with_the_box_of_the_draft() -> None:
    assert prompts([point(25, 25, positive=False)], draft(rectangle())) == [Prompt(((160, 120),), (0,), BOX)]


def test_a_box_takes_the_points_of_the_draft_with_their_signs() -> None:
    drawn = draft(point(25, 25, id="a"), point(20, 20, positive=False, id="b"))
    assert prompts([rectangle()], drawn) == [Prompt(((160, 120), (128, 96)), (1, 0), BOX)]


def test_the_recorded_draft_completes_a_click_inside_its_box() -> None:
    body = load_payload("interactive_keypoint_with_draft")
    assert parse(body).request.prompts[0].prompt.box_xyxy is None  # clicked at 70 %, 70 %
    body["params"]["context"]["result"][0]["value"] |= {"x": 20, "y": 20}
    (prompt,) = parse(body).request.prompts
    assert prompt.prompt.box_xyxy == pytest.approx((63.9, 48.2, 255.7, 201.4), abs=0.1)


def test_prompts_of_different_labels_are_not_combined() -> None:
    assert prompts([point(25, 25)], draft(rectangle("Dog"))) == [Prompt(((160, 120),), (1,))]


@pytest.mark.parametrize(("x", "combined"), [(42.9, True), (43.1, False)])
def test_a_point_belongs_to_a_box_up_to_a_tenth_of_its_longer_side(x: float, combined: bool) -> None:
    """The right side is at 40 %, 256 pixels; the longer side has 192 pixels, a tenth of it is 3 % of 640."""
    (prompt,) = prompts([point(x, 25)], draft(rectangle()))
    assert (prompt.box_xyxy == BOX) is combined


def test_points_are_another_object_if_one_is_far_from_the_box() -> None:
    (prompt,) = prompts([point(25, 25, id="a"), point(80, 80, id="b")], draft(rectangle()))
    assert prompt.box_xyxy is None


def test_points_go_to_the_nearest_box_and_of_two_that_contain_them_to_the_newest() -> None:
    boxes = [rectangle(id="a"), rectangle(x=20, y=20, id="b"), rectangle(x=60, y=60, id="c")]
    saved = draft(point(25, 25), point(12.5, 12.5, id="x"), point(70, 70, id="y"), point(95, 5, id="z"))
    assert [prompt.point_coords for prompt in prompts(boxes, saved)] == [((80, 60),), ((160, 120),), ((448, 336),)]


def test_the_other_boxes_of_the_draft_wait_with_the_one_that_is_combined() -> None:
    boxes = rectangle(id="a"), rectangle(x=60, y=60, id="b"), rectangle("Dog", x=60, id="c")
    asked = click([point(25, 25, positive=False)], draft(*boxes))
    assert [prompt.prompt for prompt in asked.waiting] == [Prompt(box_xyxy=(384.0, 288.0, 576.0, 432.0))]
    assert click([point(25, 25)], draft(*boxes, mask())).waiting == ()  # they were accepted
    beside = click([point(50, 5)], draft(*boxes))  # another object
    assert beside.waiting == () and [prompt.label for prompt in beside.beside] == ["Cat", "Cat"]


def test_only_the_newest_draft_counts() -> None:
    old, new = draft(rectangle()), draft(id=2, updated_at="2026-11-20T20:00:01Z")
    assert prompts([point(25, 25)], new, old) == prompts([point(25, 25)])
    assert newest_draft({"drafts": [new, old]}) is new
    assert newest_draft({"drafts": []}) is newest_draft({}) is newest_draft({"drafts": [3]}) is None


def test_a_box_whose_answer_was_accepted_is_not_used_again() -> None:
    assert prompts([point(25, 25)], draft(rectangle(), mask())) == prompts([point(25, 25)])
    assert prompts([point(25, 25)], draft(mask(), rectangle())) == [Prompt(((160, 120),), (1,), BOX)]
    assert prompts([point(25, 25)], draft(rectangle(), mask("Dog"))) == [Prompt(((160, 120),), (1,), BOX)]


@pytest.mark.parametrize(
    "answer",
    [
        result("polygonlabels", "poly", {"points": [[1, 1], [2, 1], [2, 2]]}, "Cat"),
        result("ellipselabels", "ell", {"x": 1, "y": 1, "radiusX": 1, "radiusY": 1}, "Cat"),
        rectangle(id="0123456789abcdef"),
    ],
    ids=["polygon", "ellipse", "rectangle of this backend"],
)
def test_a_shape_that_cannot_be_a_prompt_is_the_answer_to_the_box_before_it(answer: dict[str, Any]) -> None:
    assert prompts([point(25, 25)], draft(rectangle(), answer)) == prompts([point(25, 25)])


def test_a_draft_from_before_an_answer_was_accepted_is_not_used() -> None:
    """It has a point that is missing in the context, which has all points of the label."""
    before = draft(rectangle(), point(24, 24, id="gone"))
    assert prompts([point(25, 25, id="new")], before) == prompts([point(25, 25)])
    pending = draft(rectangle(), point(24, 24, id="first"))
    (prompt,) = prompts([point(24, 24, id="first"), point(25, 25, id="new")], pending)
    assert prompt.box_xyxy == BOX


def test_a_submitted_box_is_not_a_prompt() -> None:
    annotation = {"id": 3, "result": [rectangle()]}
    assert prompts([point(25, 25)], draft(rectangle()), annotations=(annotation,)) == prompts([point(25, 25)])


@pytest.mark.parametrize(
    "ordinary",
    [
        rectangle(origin="prediction"),
        rectangle(to_name="second_image"),
        rectangle(original_width=320),
        rectangle() | {"value": {"rectanglelabels": ["Cat"], "x": 10}},
        rectangle(from_name="gone"),
        {"type": "rectanglelabels"},
    ],
)
def test_results_of_a_draft_that_are_not_prompts_are_ignored(ordinary: dict[str, Any]) -> None:
    assert prompts([point(25, 25)], draft(ordinary)) == prompts([point(25, 25)])


def test_an_ordinary_point_of_the_draft_is_not_added_to_a_box() -> None:
    plain = point(25, 25)
    del plain["is_positive"]
    assert prompts([rectangle()], draft(plain)) == [Prompt(box_xyxy=BOX)]


def test_an_image_size_beyond_arithmetic_is_refused_before_distances_are_computed() -> None:
    """The square of 5.5e307, the distance of the point from the box, is no float."""
    huge = {"original_width": 1e308, "original_height": 1e308}
    with pytest.raises(BadPrompt, match=r"drawn on an image of 1e\+308 x 1e\+308 pixels"):
        click([point(95, 95, **huge)], draft(rectangle(**huge)))


PLAIN = """<View><Labels name="what" toName="image"><Label value="Cat"/><Label value="Dog"/></Labels>
<Image name="image" value="$image"/><KeyPoint name="kp" toName="image" smart="true"/>
<Rectangle name="rect" toName="image" smart="true"/><Brush name="brush" toName="image"/></View>"""


def plain(drawn: dict[str, Any], label: str = "") -> dict[str, Any]:
    """A prompt of a plain control, with its label or without."""
    value = {key: value for key, value in drawn["value"].items() if not key.endswith("labels")}
    return drawn | {"type": drawn["type"].removesuffix("labels"), "value": value | {"labels": [label] if label else []}}


def clicked(context: list[dict[str, Any]], *drafts: dict[str, Any]) -> list[tuple[str, Prompt]]:
    config, document = parse_labeling_config(PLAIN), {"id": 1, "data": {"image": "a.png"}, "drafts": list(drafts)}
    _, request = parse_prompted_task(document, config, context)
    assert isinstance(request, Click)
    return [(prompt.label, prompt.prompt) for prompt in request.prompts]


@pytest.mark.parametrize(
    ("of_point", "of_box", "of_both"), [("", "", ""), ("", "Dog", "Dog"), ("Dog", "", "Dog"), ("Dog", "Dog", "Dog")]
)
def test_prompts_without_a_label_are_combined_with_those_of_any(of_point: str, of_box: str, of_both: str) -> None:
    at, box = plain(point(25, 25), of_point), plain(rectangle(), of_box)
    assert clicked([at], draft(box)) == [(of_both, Prompt(((160, 120),), (1,), BOX))]
    assert clicked([box], draft(at)) == [(of_both, Prompt(((160, 120),), (1,), BOX))]


def test_a_box_without_a_label_is_not_combined_again_once_an_answer_with_any_label_follows_it() -> None:
    at, box, answer = plain(point(25, 25)), plain(rectangle()), plain(mask("Dog", id="m"), "Dog")
    assert clicked([at], draft(box, answer)) == [("", Prompt(((160, 120),), (1,)))]
    assert clicked([at], draft(answer, box)) == [("", Prompt(((160, 120),), (1,), BOX))]
