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
from backend.values import Priority
from tests.fakes import CONFIG, png

LABELING = parse_labeling_config(CONFIG)


class Warms:
    """Records what was warmed and how; each encoding waits for `go`."""

    def __init__(self) -> None:
        self.go, self.started = threading.Event(), threading.Event()
        self.warmed: list[tuple[str, Priority]] = []
        self.fetched: list[tuple[str, bool]] = []

    def fetch_image(self, image: TaskImage, *, ahead: bool = False) -> SourceImage:
        self.fetched.append((image.uri, ahead))
        if image.uri.startswith("missing"):
            raise ImageUnavailable(f"{image.uri} is away.", remedy="Upload it.")
        return SourceImage(png(2, 2), image.uri)

    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None:
        self.started.set()
        assert self.go.wait(10)
        self.warmed.append((image.name, priority))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.warmed]


class Following:
    """Task n of project p has the image "p-n"; a hundred follow each."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.error: LabelStudioError | None = None
        self.data: Callable[[str, int], str] = lambda project, number: f"{project}-{number}"

    def after(self, project_id: str, task_id: int, most: int) -> list[dict[str, Any]]:
        self.asked.append((project_id, task_id, most))
        if self.error is not None:
            raise self.error
        return [{"id": n, "data": {"photo": self.data(project_id, n)}} for n in range(task_id + 1, task_id + 1 + most)]


def task(uri: str) -> TaskImage:
    return TaskImage("img", uri, 1, "3")


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_newest_opened_task_goes_first_and_passed_ones_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.prefetch.warmer.MAX_WAITING", 3)
    warms = Warms()
    warmer = Warmer(warms)
    warmer.warm(task("first"))
    assert warms.started.wait(10)
    for uri in ("last", "a", "b", "last-but-one", "last"):
        warmer.warm(task(uri))
    assert warmer.waiting == 3
    warms.go.set()
    wait_until(lambda: len(warms.warmed) == 4)
    assert warms.names == ["first", "last", "last-but-one", "b"]


def test_an_image_that_cannot_be_had_stops_nothing() -> None:
    warms = Warms()
    warms.go.set()
    warmer = Warmer(warms)
    warmer.warm(task("missing"))
    warmer.warm(task("last"))
    wait_until(lambda: warms.names == ["last"])


def test_the_tasks_that_come_next_are_prepared_behind_everything_else() -> None:
    warms, following = Warms(), Following()
    warms.go.set()
    Warmer(warms, following, 3).look_ahead("3", 7, LABELING)
    wait_until(lambda: len(warms.warmed) == 3)
    assert warms.warmed == [(f"3-{n}", Priority.AHEAD) for n in (8, 9, 10)]
    assert warms.fetched == [(f"3-{n}", True) for n in (8, 9, 10)]


def test_who_stays_at_a_task_causes_one_question() -> None:
    warms, following = Warms(), Following()
    warms.go.set()
    warmer = Warmer(warms, following, 2)
    for _ in range(5):
        warmer.look_ahead("3", 7, LABELING)
        wait_until(lambda: len(warms.warmed) == 2)
    assert following.asked == [("3", 7, 2)]


def test_a_project_decides_how_many_and_none_at_all_if_it_likes() -> None:
    warms, following = Warms(), Following()
    warms.go.set()
    warmer = Warmer(warms, following, 3)
    warmer.look_ahead("3", 7, LABELING, 0)
    warmer.look_ahead("4", 7, LABELING, 1)
    wait_until(lambda: warms.names == ["4-8"])
    assert following.asked == [("4", 7, 1)]


def test_without_label_studio_nothing_is_looked_for() -> None:
    warms = Warms()
    warmer = Warmer(warms, None, 3)
    warmer.look_ahead("3", 7, LABELING)
    assert (warmer.waiting, warms.fetched) == (0, [])


def test_tasks_that_were_passed_are_dropped_from_the_queue() -> None:
    warms, following = Warms(), Following()
    warmer = Warmer(warms, following, 3)
    warmer.look_ahead("3", 7, LABELING)
    assert warms.started.wait(10)  # task 8 is being encoded
    warmer.look_ahead("3", 10, LABELING)  # the person is past 9 already
    warms.go.set()
    wait_until(lambda: "3-13" in warms.names)
    assert warms.names == ["3-8", "3-11", "3-12", "3-13"]


def test_an_opened_task_goes_before_what_is_prepared_for_others() -> None:
    warms, following = Warms(), Following()
    warmer = Warmer(warms, following, 3)
    warmer.look_ahead("3", 7, LABELING)
    assert warms.started.wait(10)
    warmer.warm(task("opened"))
    wait_until(lambda: ("opened", False) in warms.fetched)
    assert [uri for uri, ahead in warms.fetched if ahead] == ["3-8"]  # the rest waits for the opened one
    warms.go.set()
    wait_until(lambda: len(warms.warmed) == 4)
    assert set(warms.names[:2]) == {"3-8", "opened"}


def test_projects_and_people_take_turns() -> None:
    warms, following = Warms(), Following()
    warmer = Warmer(warms, following, 4)
    warmer.look_ahead("1", 10, LABELING)
    assert warms.started.wait(10)
    warmer.look_ahead("1", 50, LABELING)  # somebody else in the same project
    warmer.look_ahead("2", 10, LABELING)
    warms.go.set()
    wait_until(lambda: len(warms.warmed) == 12)
    # the first of them asked and got a task before the others came, who then take a turn each to ask
    turns = ["1-11", "1-12", "1-13", "1-51", "2-11", "1-14", "1-52", "2-12", "1-53", "2-13", "1-54", "2-14"]
    assert warms.names == turns


def test_label_studio_that_does_not_answer_is_said_once_and_asked_again_at_the_next_task(caplog) -> None:
    warms, following = Warms(), Following()
    warms.go.set()
    warmer = Warmer(warms, following, 1)
    following.error = LabelStudioError("Label Studio is away.", remedy="Start it.")
    with caplog.at_level(logging.WARNING):
        for number in (7, 20, 30):
            warmer.look_ahead("3", number, LABELING)
            wait_until(lambda: not warmer._walks.has_work)
    assert caplog.text.count("Label Studio is away. Start it.") == 1
    following.error = None
    warmer.look_ahead("3", 40, LABELING)
    wait_until(lambda: warms.names == ["3-41"])


def test_an_image_that_is_not_there_ends_only_its_own_walk() -> None:
    warms, following = Warms(), Following()
    following.data = lambda project, number: f"{'missing' if project == '1' else project}-{number}"
    warmer = Warmer(warms, following, 3)
    warmer.look_ahead("1", 7, LABELING)
    warmer.look_ahead("2", 7, LABELING)
    warms.go.set()
    wait_until(lambda: len(warms.warmed) == 3)
    assert warms.names == ["2-8", "2-9", "2-10"]
    assert [uri for uri, _ in warms.fetched if uri.startswith("missing")] == ["missing-8"]


def test_a_task_without_an_image_does_not_cost_the_others() -> None:
    warms, following = Warms(), Following()
    warms.go.set()
    following.data = lambda project, number: "" if number == 9 else f"{project}-{number}"
    Warmer(warms, following, 3).look_ahead("3", 7, LABELING)
    wait_until(lambda: warms.names == ["3-8", "3-10"])


def test_people_who_left_cost_no_more_than_their_last_place() -> None:
    warms, following = Warms(), Following()
    warmer = Warmer(warms, following, 3)
    for person in range(100):
        warmer.look_ahead("3", 1000 * person, LABELING)
    wait_until(lambda: len(following.asked) >= 32)
    assert warmer.waiting <= 32 * 3
    warms.go.set()
