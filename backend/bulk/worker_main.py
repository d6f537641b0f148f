"""What a spawned worker runs: a pipeline whose items come from the parent and whose results go back to it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from backend.bulk.pipeline import Pipeline
from backend.bulk.progress import Progress, Snapshot, StageCount
from backend.bulk.stage import Finished, Stage
from backend.bulk.stage_threads import StageThreads


@dataclass(frozen=True)
class Started:
    """A worker's first message: it is ready, or why it is not."""

    error: Exception | None = None


@dataclass(frozen=True)
class Numbered:
    """An item with the number by which the parent knows it."""

    number: int
    item: Any


@dataclass(frozen=True)
class Done:
    """A worker's message about one item.

    Attributes:
        counted: What the worker's stages have done since its last message.
        noted: What they have noted since then.
    """

    number: int
    value: Any
    error: Exception | None
    stage: str
    counted: dict[str, StageCount] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)


def serve(connection: Connection, function: str, argument: Any) -> None:
    """Build the pipeline and run what the parent sends until the parent closes the connection or dies.

    Args:
        function: "package.module:name" of what builds the pipeline out of `argument`.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent decides how a run ends
        signal.signal(number, signal.SIG_IGN)
    try:
        pipeline = find_function(function)(argument)
    except Exception as error:
        connection.send(Started(picklable(error)))
        return
    connection.send(Started())
    replies = _Replies(connection, pipeline.progress)
    threads = StageThreads(_unwrap_first(pipeline), pipeline.window, pipeline.progress, replies.send)
    try:
        while True:
            threads.submit(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # a stage may still be inside a model


def find_function(name: str) -> Callable[[Any], Pipeline]:
    """Return the function "package.module:name"."""
    module, _, attribute = name.partition(":")
    function: Callable[[Any], Pipeline] = getattr(import_module(module), attribute)
    return function


def picklable(error: Exception) -> Exception:
    """Return the error, or one that says the same and can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _unwrap_first(pipeline: Pipeline) -> list[Stage]:
    """The stages, of which the first one gets numbered items."""
    first, *others = pipeline.stages
    if first.max_batch is None:
        return [replace(first, work=lambda numbered: first.work(numbered.item)), *others]
    return [replace(first, work=lambda values: first.work([numbered.item for numbered in values])), *others]


class _Replies:
    """Sends what has left the stages, with the counters."""

    def __init__(self, connection: Connection, progress: Progress) -> None:
        self._connection, self._progress, self._lock = connection, progress, threading.Lock()
        self._sent = Snapshot()

    def send(self, finished: Finished[Numbered]) -> None:
        error = None if finished.error is None else picklable(finished.error)
        with self._lock:
            now = self._progress.snapshot()
            done = Done(
                finished.item.number,
                finished.value,
                error,
                finished.stage,
                {name: count - self._sent.stages.get(name, StageCount()) for name, count in now.stages.items()},
                {name: count - self._sent.noted.get(name, 0) for name, count in now.noted.items()},
            )
            self._sent = now
            try:
                self._connection.send(done)
            except OSError:  # the parent is gone, which `serve` notices
                return
            except Exception as unpicklable:
                self._connection.send(replace(done, value=None, error=picklable(unpicklable)))
