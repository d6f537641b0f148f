"""Texts typed on the page: whether a context holds any, and which of them is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import BadConfig, BadRequest
from backend.label_studio.config import check_text_prompt, parse_labeling_config, read_config_settings
from backend.label_studio.requests import FindText, parse_prompted_task
from backend.label_studio.requests.text_areas import holds_texts, parse_texts
from backend.projects.project_settings import parse_project_settings
from tests.fakes import CONFIG, keypoint, predict_body, rectangle
from tests.label_studio.requests.drawn import parse
from tests.paths import DOCS

FIND = '<TextArea name="find" toName="img"/>'
WITH_TEXT = CONFIG.replace("</View>", f'{FIND}<TextArea name="note" toName="img" perRegion="true"/></View>')
CHOICE = {"value": {"choices": ["solid"]}, "id": "c", "from_name": "place", "to_name": "img", "type": "choices"}


def area(*texts: str, name: str = "find") -> dict[str, Any]:
    """A text area as Label Studio 1.23 sends it."""
    return {
        "value": {"text": list(texts)},
        "id": f"id-{name}",
        "from_name": name,
        "to_name": "img",
        "type": "textarea",
        "origin": "manual",
    }


def task(*drafted: dict[str, Any]) -> dict[str, Any]:
    drafts = [{"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": list(drafted)}] if drafted else []
    return {"id": 7, "data": {"photo": "a.png"}, "drafts": drafts}


def test_a_text_area_comes_with_the_choices_for_the_image() -> None:
    assert holds_texts([CHOICE, area("red car")])
    assert not holds_texts([CHOICE])
    assert not holds_texts([])
    assert not holds_texts([5])  # type: ignore[list-item]


def test_the_text_of_a_prompts_own_region_is_no_question() -> None:
    note = area("blurred", name="note") | {"id": "kp"}
    assert not holds_texts([keypoint(50, 50), note])
    assert not holds_texts([note, rectangle(10, 10, 20, 20)])


def test_without_a_draft_the_last_text_is_asked_for() -> None:
    assert parse_texts([CHOICE, area("red car", "tree")], task()) == (("find", "tree"),)


def test_a_text_that_the_draft_has_not_is_asked_for_wherever_it_stands() -> None:
    context = [area("big red car", "tree")]  # the first was edited
    assert parse_texts(context, task(area("red car", "tree"))) == (("find", "big red car"),)
    assert parse_texts([area("tree", "tree")], task(area("tree"))) == (("find", "tree"),)


def test_a_text_area_that_did_not_change_is_not_asked_when_another_one_did() -> None:
    context = [area("red car"), area("a busy street", name="caption")]
    assert parse_texts(context, task(area("red car"))) == (("caption", "a busy street"),)
    assert parse_texts(context, task(*context)) == (("find", "red car"), ("caption", "a busy street"))


def test_without_a_draft_the_annotation_says_what_is_not_new() -> None:
    document = task() | {"annotations": [{"id": 2, "result": [area("red car")]}]}
    context = [area("red car"), area("a busy street", name="caption")]
    assert parse_texts(context, document) == (("caption", "a busy street"),)
    other_person = {"id": 3, "result": [area("red car") | {"id": "another"}]}
    assert len(parse_texts(context, document | {"annotations": [other_person]})) == 2


def test_a_text_that_was_deleted_asks_for_nothing() -> None:
    assert parse_texts([area("red car")], task(area("red car", "tree"))) == ()
    assert parse_texts([area()], task()) == ()


@pytest.mark.parametrize("text", [None, 5, ["red", 5], {"a": 1}])
def test_a_text_area_without_texts_is_refused(text: object) -> None:
    with pytest.raises(BadRequest, match='The text area "find" has "text" '):
        parse_texts([area() | {"value": {"text": text}}], task())


def test_a_single_text_may_come_without_its_list() -> None:
    assert parse_texts([area() | {"value": {"text": "tree"}}], task()) == (("find", "tree"),)


def test_a_text_in_the_projects_text_prompt_is_looked_for() -> None:
    context, config = [CHOICE, area("red car")], parse_labeling_config(WITH_TEXT)
    parsed, request = parse_prompted_task(task(), config, context, "find")
    assert [(image.uri, image.name) for image in parsed.images] == [("a.png", "img")]
    assert request == FindText(("red car",))
    assert parse_prompted_task(task(), config, context, None)[1] is None


def test_a_request_with_a_text_asks_for_what_it_names() -> None:
    body = predict_body("a.png", CHOICE, area("red car"), config=WITH_TEXT)
    assert parse(body, "find").request == FindText(("red car",))
    assert parse(body).request is None


def test_text_areas_for_the_whole_image_are_in_the_config() -> None:
    config = parse_labeling_config(WITH_TEXT)
    assert config.images[0].text_areas == ("find",)
    check_text_prompt(config, "find")
    check_text_prompt(config, None)


@pytest.mark.parametrize(
    ("config", "name", "those"),
    [(WITH_TEXT, "note", "those of its images are: find."), (CONFIG, "find", "its images have none.")],
)
def test_a_text_prompt_that_is_no_text_area_for_the_image_is_refused(config: str, name: str, those: str) -> None:
    with pytest.raises(BadConfig) as refused:
        check_text_prompt(parse_labeling_config(config), name)
    assert refused.value.message == (
        f'The setting text_prompt is "{name}", but no TextArea without perRegion has that name: {those}'
    )
    assert refused.value.remedy.startswith(f'Add <TextArea name="{name}" toName="img"/>, or name another one.')


def test_the_documented_interface_names_its_text_prompt() -> None:
    text = (DOCS / "text_prompts.md").read_text(encoding="utf-8")
    xml = (
        text.split("```xml")[1]
        .split("```")[0]
        .replace("…", '<BrushLabels name="b" toName="image"><Label value="car"/></BrushLabels>')
    )
    settings = parse_project_settings(read_config_settings(xml))
    assert settings.text_prompt == "find"
    check_text_prompt(parse_labeling_config(xml), settings.text_prompt)
