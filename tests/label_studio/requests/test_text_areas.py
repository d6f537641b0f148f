"""Texts typed on the page: whether a context has any, and which of them is to be answered."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import BadConfig, BadRequest
from backend.label_studio.config import check_text_prompt, parse_labeling_config, read_config_settings
from backend.label_studio.requests import FindText, parse_prompted_task
from backend.label_studio.requests.text_areas import comes_from_text_area, parse_texts
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
    assert comes_from_text_area([CHOICE, area("red car")])
    assert not comes_from_text_area([CHOICE])
    assert not comes_from_text_area([])
    assert not comes_from_text_area([5])  # type: ignore[list-item]


def test_the_text_of_a_prompts_region_is_not_a_text_request() -> None:
    note = area("blurred", name="note") | {"id": "kp"}
    assert not comes_from_text_area([keypoint(50, 50), note])
    assert not comes_from_text_area([note, rectangle(10, 10, 20, 20)])


def test_without_a_draft_the_last_text_is_answered() -> None:
    assert parse_texts([CHOICE, area("red car", "tree")], task()) == (("find", "tree"),)


def test_a_text_that_the_draft_lacks_is_answered_at_any_position() -> None:
    context = [area("big red car", "tree")]  # the first was edited
    assert parse_texts(context, task(area("red car", "tree"))) == (("find", "big red car"),)
    assert parse_texts([area("tree", "tree")], task(area("tree"))) == (("find", "tree"),)


def test_an_unchanged_text_area_is_not_answered_if_another_changed() -> None:
    context = [area("red car"), area("a busy street", name="caption")]
    assert parse_texts(context, task(area("red car"))) == (("caption", "a busy street"),)
    assert parse_texts(context, task(*context)) == (("find", "red car"), ("caption", "a busy street"))


def test_without_a_draft_texts_are_compared_with_the_annotation() -> None:
    document = task() | {"annotations": [{"id": 2, "result": [area("red car")]}]}
    context = [area("red car"), area("a busy street", name="caption")]
    assert parse_texts(context, document) == (("caption", "a busy street"),)
    other_person = {"id": 3, "result": [area("red car") | {"id": "another"}]}
    assert len(parse_texts(context, document | {"annotations": [other_person]})) == 2


def test_a_deleted_text_is_not_a_request() -> None:
    assert parse_texts([area("red car")], task(area("red car", "tree"))) == ()
    assert parse_texts([area()], task()) == ()


@pytest.mark.parametrize("text", [None, 5, ["red", 5], {"a": 1}])
def test_a_text_area_without_texts_is_rejected(text: object) -> None:
    with pytest.raises(BadRequest, match='"text" of the text area "find" must be a list of strings, but is '):
        parse_texts([area() | {"value": {"text": text}}], task())


def test_a_single_text_may_be_a_string() -> None:
    assert parse_texts([area() | {"value": {"text": "tree"}}], task()) == (("find", "tree"),)


def test_a_text_in_the_projects_text_prompt_is_searched_for() -> None:
    context, config = [CHOICE, area("red car")], parse_labeling_config(WITH_TEXT)
    parsed, request = parse_prompted_task(task(), config, context, "find")
    assert [(image.uri, image.name) for image in parsed.images] == [("a.png", "img")]
    assert request == FindText(("red car",))
    assert parse_prompted_task(task(), config, context, None)[1] is None


def test_a_request_with_a_text_is_a_text_search() -> None:
    body = predict_body("a.png", CHOICE, area("red car"), config=WITH_TEXT)
    assert parse(body, "find").request == FindText(("red car",))
    assert parse(body).request is None


MESSAGE = area("Nothing matches.", name="says") | {"id": "backend-message", "origin": "prediction"}
MESSAGES_LABEL = {  # the page gives the message the label that is picked
    "id": "backend-message", "type": "labels", "from_name": "l", "to_name": "img", "origin": "prediction",
    "value": {"text": ["Nothing matches."], "labels": ["cat"]},
}  # fmt: skip


@pytest.mark.parametrize("drafted", [(), (area("red car"),), (area("red car"), MESSAGE | {"value": {"text": []}})])
def test_what_the_backend_said_is_no_text_prompt_and_changes_none(drafted: tuple[dict[str, Any], ...]) -> None:
    config = parse_labeling_config(WITH_TEXT)
    for context in ([MESSAGE, area("red car")], [area("red car"), MESSAGE]):
        _, request = parse_prompted_task(task(*drafted), config, context, "find", messages="says")
        assert request == FindText(("red car",))
    assert parse_prompted_task(task(*drafted), config, [MESSAGE], "find", messages="says")[1] is None


def test_a_message_on_another_image_does_not_move_the_prompt_there() -> None:
    xml = """<View><Image name="left" value="$a"/><Image name="right" value="$b"/>
    <BrushLabels name="bl" toName="left"><Label value="cat"/></BrushLabels>
    <BrushLabels name="br" toName="right"><Label value="cat"/></BrushLabels>
    <TextArea name="find" toName="right"/><TextArea name="says" toName="left"/></View>"""
    document = {"id": 7, "data": {"a": "a.png", "b": "b.png"}}
    context = [MESSAGE | {"to_name": "left"}, area("red car") | {"to_name": "right"}]
    asked, request = parse_prompted_task(document, parse_labeling_config(xml), context, "find", messages="says")
    assert [image.name for image in asked.images] == ["right"]
    assert request == FindText(("red car",))


def test_a_message_in_the_draft_changes_no_click() -> None:
    click = [keypoint(50, 50)]
    config = parse_labeling_config(WITH_TEXT)
    plain = parse_prompted_task(task(area("red car")), config, click, "find", messages="says")
    told = parse_prompted_task(task(area("red car"), MESSAGE, MESSAGES_LABEL), config, click, "find", messages="says")
    assert told == plain


def test_text_areas_for_the_whole_image_are_in_the_config() -> None:
    config = parse_labeling_config(WITH_TEXT)
    assert config.images[0].text_areas == ("find",)
    check_text_prompt(config, "find")
    check_text_prompt(config, None)


@pytest.mark.parametrize(
    ("config", "name", "available"),
    [(WITH_TEXT, "note", "find"), (CONFIG, "find", "none")],
)
def test_a_text_prompt_must_be_a_text_area_for_the_image(config: str, name: str, available: str) -> None:
    with pytest.raises(BadConfig) as refused:
        check_text_prompt(parse_labeling_config(config), name)
    problem = f'The setting text_prompt is "{name}", but no TextArea without perRegion has that name'
    assert refused.value.message == f"{problem} (available: {available})."
    assert refused.value.remedy.startswith(f'Add <TextArea name="{name}" toName="img"/>, or use another name.')


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
