"""Which tasks come next: in the first tab's order, else by id; finished ones are passed over."""

from __future__ import annotations

from typing import Any

import pytest

from backend.label_studio.api import NextTasks, next_tasks
from backend.label_studio.api.client import Tab
from backend.label_studio.requests import parse_finished_task
from backend.label_studio.requests.webhooks import FinishedTask
from tests.recorded import load_payload

ORDERED = Tab(5, is_ordered=True, is_filtered=False)


class Site:
    """A project whose first tab shows `order`; `finished` tasks are labeled."""

    def __init__(self, order: list[int], tab: Tab | None = None, finished: tuple[int, ...] = ()) -> None:
        self.order, self.tab, self.finished = order, tab, finished
        self.calls: list[Any] = []

    def first_tab(self, project_id: str) -> Tab | None:
        self.calls.append(("first_tab", project_id))
        return self.tab

    def tab_page(self, tab: Tab, page: int, page_size: int) -> list[dict[str, Any]]:
        self.calls.append(("tab_page", page))
        return [self.task(n) for n in self.order[(page - 1) * page_size : page * page_size]]

    def tasks_after(self, project_id: str, task_id: int, max_tasks: int, *, unlabeled: bool) -> list[dict[str, Any]]:
        self.calls.append(("tasks_after", task_id, unlabeled))
        ids = [n for n in sorted(self.order) if n > task_id and not (unlabeled and n in self.finished)]
        return [self.task(n) for n in ids[:max_tasks]]

    def task(self, number: int) -> dict[str, Any]:
        return {"id": number, "data": {}, "is_labeled": number in self.finished}


def ids(site: Site, task_id: int, most: int, asked: NextTasks | None = None) -> list[int]:
    return [document["id"] for document in (asked or NextTasks(site)).after("3", task_id, most)]


@pytest.mark.parametrize("tab", [None, Tab(5, is_ordered=False, is_filtered=False)])
def test_without_an_order_of_its_own_ids_are_the_order(tab: Tab | None) -> None:
    site = Site([9, 7, 8, 3], tab)
    assert ids(site, 3, 2) == [7, 8]
    assert ids(site, 9, 2) == []


def test_finished_tasks_are_passed_over_until_only_such_are_left() -> None:
    assert ids(Site([1, 2, 3, 4, 5], finished=(2, 3)), 1, 2) == [4, 5]
    assert ids(Site([1, 2, 3, 4, 5], finished=(2, 3, 4, 5)), 1, 2) == [2, 3]
    assert ids(Site([1, 2, 3, 4, 5], ORDERED, finished=(2, 3)), 1, 2) == [4, 5]
    assert ids(Site([1, 2, 3, 4, 5], ORDERED, finished=(2, 3, 4, 5)), 1, 2) == [2, 3]


@pytest.mark.parametrize("tab", [ORDERED, Tab(5, is_ordered=False, is_filtered=True)])
def test_a_tab_with_an_order_or_a_filter_is_followed(tab: Tab) -> None:
    assert ids(Site([9, 2, 7, 1], tab), 2, 3) == [7, 1]


def test_a_task_that_the_tab_does_not_show_is_followed_by_id() -> None:
    site = Site([9, 2, 7], Tab(5, is_ordered=False, is_filtered=True))
    assert ids(site, 4, 2) == [7, 9]


def test_the_next_tasks_may_lie_on_the_next_page(monkeypatch) -> None:
    monkeypatch.setattr(next_tasks, "PAGE_SIZE", 3)
    order = [11, 4, 8, 2, 9, 6, 1]
    assert ids(Site(order, ORDERED), 8, 3) == [2, 9, 6]
    assert ids(Site(order, ORDERED, finished=(2, 9, 6)), 8, 3) == [1]


def test_who_goes_down_a_long_tab_is_looked_for_where_they_were(monkeypatch) -> None:
    monkeypatch.setattr(next_tasks, "PAGE_SIZE", 2)
    site = Site(list(range(20, 0, -1)), ORDERED)
    asked = NextTasks(site)
    assert ids(site, 10, 1, asked) == [9]
    site.calls.clear()
    assert ids(site, 9, 1, asked) == [8]
    assert site.calls == [("tab_page", 6), ("tab_page", 7)]
    site.calls.clear()
    assert ids(site, 20, 1, asked) == [19]
    assert site.calls == [("tab_page", 6), ("tab_page", 1)]


def test_a_very_long_tab_is_not_read_to_its_end(monkeypatch) -> None:
    monkeypatch.setattr(next_tasks, "PAGE_SIZE", 2)
    site = Site(list(range(100, 0, -1)), ORDERED)
    assert ids(site, 5, 1) == [6]
    assert [call for call in site.calls if call[0] == "tab_page"] == [("tab_page", n) for n in range(1, 11)]


def test_the_tab_is_asked_for_once_a_minute() -> None:
    site = Site([1, 2, 3])
    asked = NextTasks(site)
    for number in (1, 2):
        asked.after("3", number, 1)
    assert site.calls.count(("first_tab", "3")) == 1


def test_one_request_tells_whether_a_project_has_a_task() -> None:
    site = Site([9, 7], ORDERED, finished=(7,))
    asked = NextTasks(site)
    assert [asked.has_task("3", number) for number in (6, 7, 8, 9, 10)] == [False, True, False, True, False]
    assert site.calls == [("tasks_after", number - 1, False) for number in (6, 7, 8, 9, 10)]


def test_a_submitted_annotation_tells_its_task() -> None:
    body = load_payload("webhook_annotation_created")
    assert parse_finished_task(body) == FinishedTask("3", 70, body["project"]["label_config"])
    assert parse_finished_task(load_payload("webhook_annotation_updated")).task_id == 69


@pytest.mark.parametrize("name", ["annotations_deleted", "project_updated", "start_training", "tasks_created"])
def test_other_webhooks_tell_no_task(name: str) -> None:
    assert parse_finished_task(load_payload(f"webhook_{name}")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"project": None},
        {"annotation": []},
        {"annotation": {"task": "7"}},
        {"annotation": {"task": True}},
        {"project": {"id": True, "label_config": "<View/>"}},
        {"action": ["ANNOTATION_CREATED"]},
        {"action": {"ANNOTATION_CREATED": 1}},
    ],
)
def test_a_webhook_that_is_spelled_otherwise_tells_no_task(change: dict[str, Any]) -> None:
    assert parse_finished_task({**load_payload("webhook_annotation_created"), **change}) is None
