"""Pipelines that worker processes of the tests build; a worker imports this module by its name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from backend.bulk import Pipeline, Progress, Stage
from backend.errors import BadImage, CheckpointError

JSON = dict


def refuse_to_be_read() -> None:
    """Fail when it is unpickled."""
    raise ValueError("This cannot be read.")


class Unreadable:
    """A value that can be sent, but not read."""

    def __reduce__(self) -> tuple:
        return refuse_to_be_read, ()


def predict(task: JSON) -> JSON:
    """Do what the task says."""
    match task.get("do"):
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once":
            marker = Path(task["marker"])
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "fail":
            raise BadImage("The image is damaged.", remedy="Upload it again.")
        case "return a function":
            return {"result": lambda: None}
        case "return what cannot be read":
            return {"result": Unreadable()}
        case "sleep":
            time.sleep(task["seconds"])
    return {"result": [task["id"]], "score": None, "pid": os.getpid()}


def build(window: int) -> Pipeline:
    """A pipeline of two stages."""
    progress = Progress(["fetch", "predict"])

    def fetch(task: JSON) -> JSON:
        progress.note("fetched")
        return task

    return Pipeline(
        [Stage("fetch", fetch, threads=2), Stage("predict", predict, threads=2)], window=window, progress=progress
    )


def refuse(_: object) -> Pipeline:
    """Fail as a missing checkpoint does."""
    raise CheckpointError("There are no weights.", remedy="Download them.")


def die_at_start(_: object) -> Pipeline:
    """Die before the pipeline is built."""
    os._exit(3)
