"""A bulk run against the real Label Studio: each task gets its prediction exactly once, whatever happens on the way."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.label_studio.api import PredictionClient
from scripts.demo_circle.stage import Opened, Stage
from tests.bulk.fault_proxy import DELAY, DROP, DROP_UNSENT, LOSE, PASS, REFUSE, FaultProxy
from tests.bulk.toy_run import VERSION, ToyRun, toy_process
from tests.e2e.site import LABEL_CONFIG
from tests.servers import LocalServer

Json = dict[str, Any]
RESULT = {
    "id": "r1",
    "type": "brush",
    "from_name": "mask",
    "to_name": "image",
    "original_width": 2,
    "original_height": 2,
    "image_rotation": 0,
    "value": {"format": "rle", "rle": [0, 1]},
}


class ToyProject:
    """A project of Label Studio with tasks whose image is never fetched; `tasks` are their ids."""

    def __init__(self, opened: Opened, title: str, size: int) -> None:
        self.token, self.client = opened.token, PredictionClient(opened.site.url, opened.token)
        self.number = str(opened.site.create_project(title, LABEL_CONFIG, ""))
        documents = [{"image": f"https://images.invalid/{place}.png"} for place in range(size)]
        path = f"/api/projects/{self.number}/import?return_task_ids=true"
        answer = self.client.requests.post_once(path, path, json.dumps(documents).encode(), 60.0)
        self.tasks: list[int] = answer["task_ids"]

    def counts(self) -> Counter[int]:
        """How many tasks have how many predictions of the version."""
        return Counter(len(task.ids) for task in self.client.iterate_stored(self.number, VERSION, self.tasks))

    def toy(self, url: str, folder: Path, **options: Any) -> ToyRun:
        """A run of the project, through the proxy at `url`."""
        return ToyRun(url, folder, project=self.number, api_key=self.token, predict=predict, **options)


def predict(task: Json) -> Json:
    return {"result": [RESULT], "score": 0.5}


def test_lost_dropped_and_late_answers_and_a_deleted_task(
    opened: Opened, start_server: Callable[[], LocalServer], tmp_path: Path
) -> None:
    project, proxy, server = ToyProject(opened, "Faults", 200), FaultProxy(opened.site.url), start_server()
    proxy.serve(server)
    proxy.faults = deque([PASS, LOSE, DROP, DELAY, REFUSE, DROP_UNSENT])
    deleted = project.tasks[199]

    def at_task(number: int) -> None:
        if number == 199:  # its chunk has not been sent
            project.client.requests.delete(f"/api/tasks/{deleted}/", "a task")

    summary = project.toy(server.url, tmp_path, at_task=at_task, chunk=25, settle_seconds=8.0).run(sweep=False)
    assert (summary.created, summary.gone, summary.failed) == (199, 1, 0)
    assert project.counts() == {1: 199}


def test_what_is_stored_after_the_settle_time_is_swept(
    opened: Opened, start_server: Callable[[], LocalServer], tmp_path: Path
) -> None:
    project, proxy, server = ToyProject(opened, "Late", 40), FaultProxy(opened.site.url), start_server()
    proxy.serve(server)
    proxy.faults, proxy.delay_seconds = deque([DELAY]), 10.0
    run = project.toy(server.url, tmp_path, chunk=20, settle_seconds=0.1)
    run.run(sweep=False)
    proxy.wait_for_late()
    assert project.counts() == {1: 20, 2: 20}
    assert run.sweep().deleted == 20
    assert project.counts() == {1: 40}


def test_killed_runs_and_a_label_studio_that_restarts(opened: Opened, stage: Stage, tmp_path: Path) -> None:
    project = ToyProject(opened, "Kills", 400)
    options = {"project": project.number, "api_key": opened.token, "settle_seconds": 4.0}
    for _ in range(3):
        with toy_process(opened.site.url, tmp_path, 0.002, **options) as process:
            before = project.client.count_tasks(project.number, VERSION)
            while project.client.count_tasks(project.number, VERSION) == before:
                assert process.is_alive()
            time.sleep(random.uniform(0, 0.2))
            process.kill()
    assert set(project.counts()) == {0, 1}

    restart = threading.Thread(target=stage.restart_label_studio)

    def at_task(number: int) -> None:
        if number == 30:
            restart.start()
        time.sleep(0.01)

    run = project.toy(opened.site.url, tmp_path, at_task=at_task, settle_seconds=4.0, give_up_after_seconds=480.0)
    summary = run.run()
    restart.join()
    assert (summary.failed, summary.in_doubt) == (0, 0)
    assert any(sentence.startswith("Label Studio answers again") for sentence in run.said)
    assert project.counts() == {1: 400}
