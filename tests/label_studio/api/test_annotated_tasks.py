"""Streaming of annotated tasks against a made-up Label Studio; tests.e2e.test_export asks the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import LabelStudioError, LabelStudioUnavailable
from backend.label_studio.api import AnnotatedTasks, AnswerOf, LabelStudioClient
from backend.label_studio.api.annotated_tasks import FIRST_PAGE_SIZE, MAX_PAGE_BYTES
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY

Json = dict[str, Any]
Listed = Callable[..., AnnotatedTasks]


@dataclass
class LargeProject:
    """Project 1; answers what was asked of its tasks.

    Attributes:
        bytes_of: How many bytes the annotation of a task takes, by the task's id.
        dies_at: The request, from 1, from which on it answers 503.
        announces_length: Whether answers come with a Content-Length.
    """

    bytes_of: Mapping[int, int]
    dies_at: int = 1_000_000
    max_page_size: int = 1000
    questions: list[Json] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def respond(self, seen: Seen, handler: object) -> Answer | None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(seen.path).query).items()}
        self.questions.append(query)
        if len(self.questions) >= self.dies_at:
            return 503, {"Content-Type": "application/json"}, b'{"detail": "Out of order."}'
        asked = json.loads(query["query"])
        last = asked["filters"]["items"][0]["value"]
        chosen = asked.get("selectedItems", {}).get("included", self.bytes_of)
        matching = [number for number in sorted(self.bytes_of) if number > last and number in chosen]
        size = min(int(query["page_size"]), self.max_page_size)
        tasks = [
            {"id": number, "data": {}, "annotations": [{"result": [], "filler": "x" * self.bytes_of[number]}]}
            for number in matching[:size]
        ]
        content = json.dumps({"tasks": tasks, "total": len(matching)}).encode()
        self.sent.append(len(content))
        return 200, {"Content-Type": "application/json"}, content


@pytest.fixture
def stream(start_server: Callable[[], LocalServer]) -> Listed:
    def stream(project: LargeProject, answer_of: AnswerOf = lambda request: request()) -> AnnotatedTasks:
        server = start_server()
        server.respond = project.respond
        return AnnotatedTasks(LabelStudioClient(server.url, LEGACY), answer_of)

    return stream


def ids(tasks: AnnotatedTasks, *chosen: Any) -> list[int]:
    return [task["id"] for task in tasks.iterate(1, *chosen)]


def test_predictions_are_not_asked_for_and_every_field_of_annotations_that_is_read_is(stream: Listed) -> None:
    project = LargeProject({1: 0})
    assert ids(stream(project)) == [1]
    (question,) = project.questions
    assert question["fields"] == "all"
    assert question["resolve_uri"] == "false"
    included = set(question["include"].split(","))
    assert {"id", "data", "annotations", "result", "was_cancelled", "ground_truth", "updated_at"} <= included
    assert {"completed_by", "created_username", "created_at", "lead_time", "parent_prediction"} <= included
    assert not {"predictions", "drafts"} & included


def test_small_tasks_come_in_pages_that_grow_and_each_task_comes_once(stream: Listed) -> None:
    project = LargeProject(dict.fromkeys(range(1, 301), 10))
    assert ids(stream(project)) == list(range(1, 301))
    sizes = [int(question["page_size"]) for question in project.questions]
    assert sizes == [FIRST_PAGE_SIZE, 20, 40, 80, 160]


def test_pages_of_large_tasks_shrink_below_16_mb(stream: Listed) -> None:
    """Ten tasks of 3 MB are announced with 30 MB, refused, and come two by two."""
    project = LargeProject(dict.fromkeys(range(1, 12), 3 << 20))
    assert ids(stream(project)) == list(range(1, 12))
    assert project.sent[0] > MAX_PAGE_BYTES
    assert max(project.sent[1:]) <= MAX_PAGE_BYTES
    assert [int(question["page_size"]) for question in project.questions[:3]] == [10, 2, 1]


def test_a_single_task_over_the_limit_still_comes(stream: Listed) -> None:
    project = LargeProject({1: 5, 2: MAX_PAGE_BYTES + 5, 3: 5})
    assert ids(stream(project)) == [1, 2, 3]


def test_chosen_tasks_are_asked_for_by_their_ids_and_no_choice_means_none(stream: Listed) -> None:
    project = LargeProject(dict.fromkeys(range(1, 501), 10))
    assert ids(stream(project), range(3, 480)) == list(range(3, 480))
    chosen = [len(json.loads(question["query"])["selectedItems"]["included"]) for question in project.questions]
    assert max(chosen) == 200
    assert ids(stream(project), []) == []


def test_a_server_that_allows_only_small_pages_is_read_to_the_end(stream: Listed) -> None:
    assert ids(stream(LargeProject(dict.fromkeys(range(1, 24), 10), max_page_size=4))) == list(range(1, 24))


def test_label_studio_gone_in_mid_export_is_named_with_the_last_task(stream: Listed) -> None:
    read = []
    with pytest.raises(LabelStudioUnavailable) as caught:
        for task in stream(LargeProject(dict.fromkeys(range(1, 24), 10), dies_at=2)).iterate(1):
            read.append(task["id"])
    assert read == list(range(1, 11))
    assert caught.value.message.startswith(
        "Label Studio was gone in mid-export, after 10 tasks, the last of them 10. Label Studio at http://127.0.0.1:"
    )
    assert "(HTTP 503: Out of order.)" in caught.value.message
    assert caught.value.remedy == "Run the same command again when it is back."


def test_label_studio_that_never_answered_is_not_gone_in_mid_export(stream: Listed) -> None:
    with pytest.raises(LabelStudioUnavailable) as caught:
        ids(stream(LargeProject({1: 0}, dies_at=1)))
    assert "mid-export" not in caught.value.message


def test_an_outage_may_be_waited_out(stream: Listed) -> None:
    project = LargeProject(dict.fromkeys(range(1, 24), 10), dies_at=2)

    def answer_of(request: Callable[[], Any]) -> Any:
        try:
            return request()
        except LabelStudioUnavailable:
            project.dies_at = 1_000_000
            return request()

    assert ids(stream(project, answer_of)) == list(range(1, 24))


def test_half_a_surrogate_pair_which_orjson_refuses_is_read_all_the_same(
    start_server: Callable[[], LocalServer],
) -> None:
    server = start_server()
    document = b'{"tasks": [{"id": 1, "data": {"text": "\\ud800"}}], "total": 1}'
    server.respond = lambda seen, handler: (200, {}, document)
    (task,) = AnnotatedTasks(LabelStudioClient(server.url, LEGACY)).iterate(1)
    assert task["data"]["text"] == "\ud800"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "is not Label Studio's"),
        (b"[]", "Label Studio lists the tasks of project 1 after task 0 as []."),
        (b'{"tasks": [{"id": "x"}], "total": 1}', "Label Studio lists the tasks of project 1 after task 0 as"),
    ],
)
def test_an_answer_that_is_no_list_of_tasks_is_refused(
    start_server: Callable[[], LocalServer], content: bytes, message: str
) -> None:
    server = start_server()
    server.respond = lambda seen, handler: (200, {}, content)
    with pytest.raises(LabelStudioError) as caught:
        ids(AnnotatedTasks(LabelStudioClient(server.url, LEGACY)))
    assert message in caught.value.message
