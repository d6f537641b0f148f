"""What a request shows of the page: enough to tell one state from another, and nothing that names a person."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backend.label_studio.requests.page_state import MAX_KEY_CHARACTERS, PageState, read_page
from tests.label_studio.requests.drawn import draft, mask, parse, point, rectangle
from tests.recorded import load_payload


def page(context: list[dict[str, Any]] | None = None, **task: Any) -> PageState:
    return read_page(context or [point(25, 25, id="p")], {"id": 1, **task}, "3.1795206950")


def test_the_recorded_request_shows_its_project_its_prompt_and_its_draft() -> None:
    (task,) = parse(load_payload("interactive_keypoint_with_draft")).tasks
    assert task.page is not None
    assert (task.page.project_key, task.page.prompt_ids) == ("3.1795206950", {"hj4d-HJYvI"})
    assert task.page.draft_ids == {"KV03UMiZuN"}
    assert task.page.user and "example.com" not in repr(task.page)


def test_an_opened_task_and_a_batch_show_no_page() -> None:
    assert [task.page for task in parse(load_payload("batch_predict_3_tasks")).tasks] == [None] * 3


def test_only_points_and_boxes_are_prompts() -> None:
    assert page([point(1, 1, id="p"), rectangle(id="r"), mask(id="m")]).prompt_ids == {"p", "r"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"drafts": [draft()]}),
        ({"drafts": [draft()]}, {"drafts": [draft(id=2)]}),
        ({"drafts": [draft()]}, {"drafts": [draft(updated_at="2026-11-20T20:00:01Z")]}),
        ({"drafts": [draft(user="a@b.c")]}, {"drafts": [draft(user="d@b.c")]}),
        ({}, {"annotations": [{"id": 1, "result": []}]}),
        ({"annotations": [{"id": 1, "result": []}]}, {"annotations": [{"id": 2, "result": []}]}),
    ],
)
def test_a_new_draft_another_user_and_a_new_annotation_are_another_state(one: Any, other: Any) -> None:
    assert page(**one) == page(**copy.deepcopy(one))
    assert page(**one) != page(**other)


def test_a_project_key_that_cannot_be_label_studios_is_none() -> None:
    assert read_page([], {}, "3." + "1" * MAX_KEY_CHARACTERS).project_key == ""


@pytest.mark.parametrize("user", [None, {}, [1], 1.5, ""])
def test_a_user_of_another_type_is_read_as_unknown(user: object) -> None:
    assert page(drafts=[draft(user=user)]).user == ""
