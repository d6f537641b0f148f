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


def hold_lock(database: Path, task: int, watching: threading.Event) -> None:
    """Let nobody else write, as soon as an annotation of the task is stored and before its request has ended."""
    with contextlib.closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        watching.set()
        for _ in range(POLLS):
            if connection.execute("SELECT 1 FROM task_completion WHERE task_id = ?", (task,)).fetchone():
                break
            time.sleep(0.001)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(BUSY_SECONDS)
        connection.execute("ROLLBACK")


@pytest.mark.timeout(300)
def test_an_annotation_is_stored_once_while_the_database_is_busy(opened: Opened, stage: Stage) -> None:
    site, watching = opened.site, threading.Event()
    project = site.create_project("Busy database", LABEL_CONFIG, "")
    site.import_tasks(project, [{"image": "/data/nowhere.png"}])
    task = site.next_task(project)
    busy = threading.Thread(target=hold_lock, args=(stage.folder.label_studio / "label_studio.sqlite3", task, watching))
    busy.start()
    assert watching.wait(60)
    stored = site.annotate(task, [])
    busy.join()
    assert [annotation["id"] for annotation in site.task(task)["annotations"]] == [stored]
