from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import ImageUnavailable, LabelStudioError
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.prefetch import Warmer
from backend.prefetch.positions import Positions
from backend.values import Priority
from tests.fakes import CONFIG, png

LABELING = parse_labeling_config(CONFIG)


class FakePredictor:
    """Records what was warmed and how; each encoding waits for `go`."""

    def __init__(self) -> None:
        self.go, self.started = threading.Event(), threading.Event()
        self.warmed: list[tuple[str, Priority]] = []
        self.fetched: list[tuple[str, bool]] = []

    def fetch_image(self, image: TaskImage, *, prefetch: bool = False) -> SourceImage:
        self.fetched.append((image.uri, prefetch))
        if image.uri.startswith("missing"):
            raise ImageUnavailable(f"{image.uri} is missing.", remedy="Upload it.")
        return SourceImage(png(2, 2), image.uri)

    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None:
        self.started.set()
        assert self.go.wait(10)
        self.warmed.append((image.name, priority))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.warmed]


class FakeNextTasks:
    """Task n of project p has the image "p-n"; the next tasks are n+1, n+2, …"""

    def __init__(self) -> None:
        self.queries: list[tuple[str, int, int]] = []
        self.error: LabelStudioError | None = None
        self.data: Callable[[str, int], str] = lambda project, number: f"{project}-{number}"

        self.looked_up: list[tuple[str, int]] = []

    def has_task(self, project_id: str, task_id: int) -> bool:
        self.looked_up.append((project_id, task_id))
        return task_id < 1000

    def after(self, project_id: str, task_id: int, max_tasks: int) -> list[dict[str, Any]]:
        self.queries.append((project_id, task_id, max_tasks))
        if self.error is not None:
            raise self.error
        numbers = range(task_id + 1, task_id + 1 + max_tasks)
        return [{"id": number, "data": {"photo": self.data(project_id, number)}} for number in numbers]


def task(uri: str) -> TaskImage:
    return TaskImage("img", uri, 1, "3")


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_newest_opened_task_goes_first_and_the_oldest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.prefetch.warmer.MAX_WAITING", 3)
    predictor = FakePredictor()
    warmer = Warmer(predictor)
    warmer.warm(task("first"))
    assert predictor.started.wait(10)
    for uri in ("last", "a", "b", "last-but-one", "last"):
        warmer.warm(task(uri))
    assert warmer.waiting == 3
    predictor.go.set()
    wait_until(lambda: len(predictor.warmed) == 4)
    assert predictor.names == ["first", "last", "last-but-one", "b"]


def test_an_image_that_cannot_be_fetched_does_not_stop_the_thread() -> None:
    predictor = FakePredictor()
    predictor.go.set()
    warmer = Warmer(predictor)
    warmer.warm(task("missing"))
    warmer.warm(task("last"))
    wait_until(lambda: predictor.names == ["last"])


def test_the_next_tasks_are_encoded_with_the_priority_of_prefetch() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    Warmer(predictor, next_tasks, 3).prefetch_after("3", 7, LABELING)
    wait_until(lambda: len(predictor.warmed) == 3)
    assert predictor.warmed == [(f"3-{n}", Priority.PREFETCH) for n in (8, 9, 10)]
    assert predictor.fetched == [(f"3-{n}", True) for n in (8, 9, 10)]


def test_reopening_the_same_task_causes_one_query() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    warmer = Warmer(predictor, next_tasks, 2)
    for _ in range(5):
        warmer.prefetch_after("3", 7, LABELING)
        wait_until(lambda: len(predictor.warmed) == 2)
    assert next_tasks.queries == [("3", 7, 2)]


def test_the_projects_setting_overrides_the_number_of_tasks() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    warmer = Warmer(predictor, next_tasks, 3)
    warmer.prefetch_after("3", 7, LABELING, 0)
    warmer.prefetch_after("4", 7, LABELING, 1)
    wait_until(lambda: predictor.names == ["4-8"])
    assert next_tasks.queries == [("4", 7, 1)]


def test_without_label_studio_nothing_is_prefetched() -> None:
    predictor = FakePredictor()
    warmer = Warmer(predictor, None, 3)
    warmer.prefetch_after("3", 7, LABELING)
    assert (warmer.waiting, predictor.fetched) == (0, [])


def test_tasks_that_a_person_has_passed_are_dropped_from_the_queue() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    warmer = Warmer(predictor, next_tasks, 3)
    warmer.prefetch_after("3", 7, LABELING)
    assert predictor.started.wait(10)  # task 8 is being encoded
    warmer.prefetch_after("3", 10, LABELING)  # the person is past 9 already
    predictor.go.set()
    wait_until(lambda: "3-13" in predictor.names)
    assert predictor.names == ["3-8", "3-11", "3-12", "3-13"]


def test_an_opened_task_goes_before_prefetched_ones() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    warmer = Warmer(predictor, next_tasks, 3)
    warmer.prefetch_after("3", 7, LABELING)
    assert predictor.started.wait(10)
    warmer.warm(task("opened"))
    wait_until(lambda: ("opened", False) in predictor.fetched)
    assert [uri for uri, prefetch in predictor.fetched if prefetch] == ["3-8"]  # the others wait for the opened task
    predictor.go.set()
    wait_until(lambda: len(predictor.warmed) == 4)
    assert set(predictor.names[:2]) == {"3-8", "opened"}


def test_projects_and_people_take_turns() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    warmer = Warmer(predictor, next_tasks, 4)
    warmer.prefetch_after("1", 10, LABELING)
    assert predictor.started.wait(10)
    warmer.prefetch_after("1", 50, LABELING)  # another person in the same project
    warmer.prefetch_after("2", 10, LABELING)
    predictor.go.set()
    wait_until(lambda: len(predictor.warmed) == 12)
    # the first position queried and encoded a task before the others came, which then take a turn each to query
    turns = ["1-11", "1-12", "1-13", "1-51", "2-11", "1-14", "1-52", "2-12", "1-53", "2-13", "1-54", "2-14"]
    assert predictor.names == turns


def test_an_outage_of_label_studio_is_logged_once_and_the_next_task_queries_again(caplog) -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    warmer = Warmer(predictor, next_tasks, 1)
    next_tasks.error = LabelStudioError("Label Studio is unreachable.", remedy="Start it.")
    with caplog.at_level(logging.WARNING):
        for number in (7, 20, 30):
            warmer.prefetch_after("3", number, LABELING)
            wait_until(lambda: not warmer._positions.has_work)
    assert caplog.text.count("Label Studio is unreachable. Start it.") == 1
    next_tasks.error = None
    warmer.prefetch_after("3", 40, LABELING)
    wait_until(lambda: predictor.names == ["3-41"])


def test_a_missing_image_cancels_only_its_own_position() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    next_tasks.data = lambda project, number: f"{'missing' if project == '1' else project}-{number}"
    warmer = Warmer(predictor, next_tasks, 3)
    warmer.prefetch_after("1", 7, LABELING)
    warmer.prefetch_after("2", 7, LABELING)
    predictor.go.set()
    wait_until(lambda: len(predictor.warmed) == 3)
    assert predictor.names == ["2-8", "2-9", "2-10"]
    assert [uri for uri, _ in predictor.fetched if uri.startswith("missing")] == ["missing-8"]


def test_a_task_without_an_image_does_not_affect_the_others() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    next_tasks.data = lambda project, number: "" if number == 9 else f"{project}-{number}"
    Warmer(predictor, next_tasks, 3).prefetch_after("3", 7, LABELING)
    wait_until(lambda: predictor.names == ["3-8", "3-10"])


def test_the_queue_of_positions_is_bounded() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    warmer = Warmer(predictor, next_tasks, 3)
    for person in range(100):
        warmer.prefetch_after("3", 1000 * person, LABELING)
    wait_until(lambda: len(next_tasks.queries) >= 32)
    assert warmer.waiting <= 32 * 3
    predictor.go.set()


def test_hints_do_not_take_the_places_of_people() -> None:
    """Label Studio does not answer, so no hint is looked up, and a stranger sends many."""
    positions = Positions()
    for number in range(100, 2100, 100):
        positions.move_to("3", number, LABELING, 1)
    people = [positions.next_with_work() for _ in range(20)]
    assert [positions.move_to_hint("3", 5000 + number) for number in range(50)] == [True] * 8 + [False] * 42
    assert all(positions.is_current(position) for position in people)


def test_an_invented_task_is_forgotten_once_label_studio_was_asked() -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    warmer = Warmer(predictor, next_tasks, 1)
    warmer.prefetch_after("3", 7, LABELING)
    for number in range(2000, 2020):
        warmer.prefetch_after_hint("3", number)
        wait_until(lambda number=number: ("3", number) in next_tasks.looked_up)
    warmer.prefetch_after_hint("3", 70)
    wait_until(lambda: predictor.names == ["3-8", "3-71"])
    assert next_tasks.queries == [("3", 7, 1), ("3", 70, 1)]


def test_a_hint_that_label_studio_refuses_is_forgotten_and_not_reported(caplog) -> None:
    predictor, next_tasks = FakePredictor(), FakeNextTasks()
    predictor.go.set()
    warmer = Warmer(predictor, next_tasks, 1)
    warmer.prefetch_after("3", 7, LABELING)
    wait_until(lambda: predictor.names == ["3-8"])
    next_tasks.error = LabelStudioError("Label Studio is away.", remedy="Start it.")
    with caplog.at_level(logging.INFO):
        for number in range(70, 110):
            warmer.prefetch_after_hint("3", number)
            wait_until(lambda number=number: ("3", number, 1) in next_tasks.queries)
    assert caplog.records == []
    next_tasks.error = None
    warmer.prefetch_after("3", 7, LABELING)  # still known, and fresh: no new query
    warmer.prefetch_after_hint("3", 200)
    wait_until(lambda: predictor.names == ["3-8", "3-201"])
    assert next_tasks.queries.count(("3", 7, 1)) == 1
