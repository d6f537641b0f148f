"""Commands typed into the text prompt: which texts are commands, and what they go by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import (
    FindEverything,
    FindLike,
    FindText,
    Request,
    ResizeLast,
    ShowHelp,
    parse_prompted_task,
)
from backend.label_studio.results import encode_brush
from tests.fakes import CONFIG
from tests.label_studio.requests.test_text_areas import FIND, area, task

WITH_TEXT = CONFIG.replace("</View>", f"{FIND}</View>")


def brush(region_id: str, label: str = "cat") -> dict[str, Any]:
    mask = np.zeros((30, 40), bool)
    mask[3:8, 3:8] = True
    return {
        "id": region_id,
        "type": "brushlabels",
        "from_name": "b",
        "to_name": "img",
        "original_width": 40,
        "original_height": 30,
        "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": [label]},
    }


def typed(text: str, document: dict[str, Any] | None = None, config: str = WITH_TEXT) -> Request | None:
    """The request for a text that was added to the text prompt."""
    drafted = task() if document is None else document
    return parse_prompted_task(drafted, parse_labeling_config(config), [area(text)], "find")[1]


@pytest.mark.parametrize(
    ("text", "request_type"),
    [
        ("everything", FindEverything),
        ("  Everything. ", FindEverything),
        ("ALL", FindEverything),
        ("all objects", FindEverything),
        ("like this", FindLike),
        ("Like  This!", FindLike),
        ("more like these", FindLike),
        ("help", ShowHelp),
        ("?", ShowHelp),
        ("tighter", ResizeLast),
        ("looser", ResizeLast),
        ("all rings", FindText),
        ("everything red", FindText),
        ("the tighter rope", FindText),
        ("help desk", FindText),
        ("dog", FindText),
    ],
)
def test_a_command_is_a_whole_text_in_any_case_and_anything_else_is_searched_for(text: str, request_type: type) -> None:
    request = typed(text)
    assert type(request) is request_type
    if isinstance(request, FindText):
        assert request.texts == (text,)


def test_tighter_and_looser_are_told_apart() -> None:
    assert [request.grows for text in ("tighter", "looser") if isinstance(request := typed(text), ResizeLast)] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "class_tag",
    [
        ('value="dog"', 'value="Everything"'),
        ('value="black"', 'value="everything"'),
        ('value="black"', 'value="black" hint="everything, black"'),
    ],
)
def test_a_class_of_the_project_goes_before_a_command(class_tag: tuple[str, str]) -> None:
    assert typed("everything", config=WITH_TEXT.replace(*class_tag)) == FindText(("everything",))
    assert typed("like this", config=WITH_TEXT.replace(*class_tag)) == FindLike()


def ids(request: Request | None) -> list[str]:
    assert isinstance(request, FindText | FindEverything | FindLike | ResizeLast)
    return [region.region_id for region in request.accepted]


def test_like_this_goes_by_the_newest_draft_and_only_without_one_by_an_annotation_or_a_prediction() -> None:
    prediction = {"id": 4, "result": [brush("predicted")]}
    annotation = {"id": 3, "updated_at": "2026-01-02", "result": [brush("annotated")]}
    document: dict[str, Any] = task() | {"predictions": [prediction]}
    assert ids(typed("like this", document)) == ["predicted"]
    document["annotations"] = [annotation, {"id": 2, "updated_at": "2026-01-01", "result": [brush("older")]}]
    assert ids(typed("like this", document)) == ["annotated"]
    document["drafts"] = task(brush("first"), brush("second", "dog"))["drafts"]
    assert ids(typed("like this", document)) == ["first", "second"]


OTHERS = pytest.mark.parametrize("text", ["everything", "tighter", "all rings"])


@OTHERS
def test_texts_and_other_commands_never_go_by_the_annotation_of_maybe_another_person(text: str) -> None:
    document = task() | {"annotations": [{"id": 3, "result": [brush("annotated")]}]}
    assert ids(typed(text, document)) == []
    assert ids(typed(text, document | {"drafts": task(brush("mine"))["drafts"]})) == ["mine"]


@OTHERS
def test_an_annotation_is_on_the_page_if_the_request_has_a_text_that_was_saved_with_it(text: str) -> None:
    """The areas of the page keep their ids, unless Label Studio copied them from a prediction."""
    of_another = {"id": 4, "updated_at": "2026-01-02", "result": [brush("hers"), area("a star") | {"id": "other"}]}
    reopened = {"id": 3, "updated_at": "2026-01-01", "result": [brush("mine"), area("a ring")]}
    document: dict[str, Any] = task() | {"annotations": [of_another, reopened]}
    assert ids(typed(text, document)) == ["mine"]
    document["predictions"] = [{"id": 5, "result": [area("a ring")]}]
    assert ids(typed(text, document)) == []


def test_damaged_results_of_a_draft_are_passed_over() -> None:
    damaged = [{"type": "brushlabels"}, {"id": ["x"], "type": "brushlabels"}, "text", None]
    assert ids(typed("like this", task(*damaged, brush("good")))) == ["good"]  # type: ignore[arg-type]


def test_the_same_command_typed_again_is_a_request_again() -> None:
    config = parse_labeling_config(WITH_TEXT)

    def request(texts: tuple[str, ...], *drafted: dict[str, Any]) -> Request | None:
        return parse_prompted_task(task(*drafted), config, [area(*texts)], "find")[1]

    once = ("tighter",)
    assert request(once) == ResizeLast(grows=False)
    assert request(once * 2) == ResizeLast(grows=False)  # no draft yet
    assert request(once * 2, area(*once)) == ResizeLast(grows=False)
    assert request(("tighter", "looser", "tighter"), area("tighter", "looser")) == ResizeLast(grows=False)
    assert request(("tighter", "tighter", "looser"), area(*once)) == ResizeLast(grows=True)
    assert request(once, area(*once * 2)) is None  # one was deleted
