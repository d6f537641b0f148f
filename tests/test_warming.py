from __future__ import annotations

import threading

from backend.errors import ImageUnavailable
from backend.image import SourceImage
from backend.label_studio.tasks import Task
from backend.warming import Warmer
from tests.fakes import png


class Warms:
    """Records what was warmed, and waits at the first until it may go on."""

    def __init__(self) -> None:
        self.go, self.started, self.changed = threading.Event(), threading.Event(), threading.Event()
        self.warmed: list[str] = []

    def fetch_image(self, task: Task) -> SourceImage:
        if task.image_uri == "missing":
            raise ImageUnavailable("missing is away.", remedy="Upload it.")
        return SourceImage(png(2, 2), task.image_uri)

    def warm(self, image: SourceImage) -> None:
        self.started.set()
        self.go.wait(10)
        self.warmed.append(image.name)
        if image.name == "last":
            self.changed.set()


def task(uri: str) -> Task:
    return Task(1, "3", uri)


def test_the_newest_task_goes_first_and_passed_ones_are_dropped() -> None:
    warms = Warms()
    warmer = Warmer(warms, most_waiting=3)
    warmer.warm(task("first"))
    assert warms.started.wait(10)
    for uri in ("last", "a", "b", "last-but-one", "last"):
        warmer.warm(task(uri))
    assert warmer.waiting == 3
    warms.go.set()
    assert warms.changed.wait(10)
    assert warms.warmed[:2] == ["first", "last"]


def test_an_image_that_cannot_be_had_stops_nothing() -> None:
    warms = Warms()
    warms.go.set()
    warmer = Warmer(warms)
    warmer.warm(task("missing"))
    warmer.warm(task("last"))
    assert warms.changed.wait(10)
