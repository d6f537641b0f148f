"""A Label Studio whose database is busy for long: by default it repeats whole requests and stores annotations twice."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from scripts.demo_circle.stage import Opened, Stage
from tests.e2e.site import LABEL_CONFIG

BUSY_SECONDS = 7  # SQLite waits 5 s by default
POLLS = 60_000
ATTEMPTS = 10  # the lock must come between the storing of an annotation and the end of its request


class BusyDatabase(threading.Thread):
    """Holds the lock of a database as soon as an annotation of a task is stored; `locked_at` is when it got it."""

    def __init__(self, database: Path, task: int) -> None:
        super().__init__()
        self._database, self._task = database, task
        self.watching, self.locked_at = threading.Event(), float("inf")

    def run(self) -> None:
        with contextlib.closing(sqlite3.connect(self._database, timeout=60, isolation_level=None)) as connection:
            self.watching.set()
            for _ in range(POLLS):
                if connection.execute("SELECT 1 FROM task_completion WHERE task_id = ?", (self._task,)).fetchone():
                    break
                time.sleep(0.001)
            connection.execute("BEGIN IMMEDIATE")
            self.locked_at = time.monotonic()
            time.sleep(BUSY_SECONDS)
            connection.execute("ROLLBACK")


@pytest.mark.timeout(300)
def test_an_annotation_is_stored_once_while_the_database_is_busy(opened: Opened, stage: Stage) -> None:
    site = opened.site
    for _ in range(ATTEMPTS):
        project = site.create_project("Busy database", LABEL_CONFIG, "")
        site.import_tasks(project, [{"image": "/data/nowhere.png"}])
        task = site.next_task(project)
        busy = BusyDatabase(stage.folder.label_studio / "label_studio.sqlite3", task)
        busy.start()
        assert busy.watching.wait(60)
        stored = site.annotate(task, [])
        ended = time.monotonic()
        busy.join()
        assert [annotation["id"] for annotation in site.task(task)["annotations"]] == [stored]
        if ended > busy.locked_at + 1:  # the request had to wait for the lock
            return
    pytest.fail(f"in none of {ATTEMPTS} attempts the lock came before the end of the request")
