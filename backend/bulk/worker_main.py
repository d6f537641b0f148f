"""What a worker runs: a pipeline whose items come from the parent and whose results go back to it."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from backend.bulk.pipeline import Pipeline
from backend.bulk.progress import Snapshot, StageCount
from backend.bulk.stage import Finished, Stage
from backend.bulk.stage_threads import StageThreads

log = logging.getLogger(__name__)


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


class ServedPipeline:
    """A worker's pipeline: takes numbered items and hands out what has left the stages, with the counters.

    Args:
        deliver: Called with an item's number and its pickled `Done`, on a thread of the pipeline, one at a time.
    """

    def __init__(self, pipeline: Pipeline, deliver: Callable[[int, bytes], None]) -> None:
        self._progress, self._deliver, self._lock = pipeline.progress, deliver, threading.Lock()
        self._sent = Snapshot()
        self._threads = StageThreads(_unwrap_first(pipeline), pipeline.window, pipeline.progress, self._finish)

    def submit(self, numbered: Numbered) -> None:
        """Let an item wait in front of the first stage."""
        self._threads.submit(numbered)

    def _finish(self, finished: Finished[Numbered]) -> None:
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
            self._deliver(done.number, encode_done(done))


def serve(connection: Connection, function: str, argument: Any) -> None:
    """Build the pipeline and run what the parent sends until the parent closes the connection or dies.

    Args:
        function: "package.module:name" of what builds the pipeline out of `argument`.
    """

    def deliver(number: int, done: bytes) -> None:
        with suppress(OSError):  # the parent is gone, which is noticed below
            connection.send_bytes(done)

    ignore_signals()
    try:
        pipeline = find_function(function)(argument)
    except Exception as error:
        connection.send(Started(picklable(error)))
        return
    connection.send(Started())
    served = ServedPipeline(pipeline, deliver)
    try:
        while True:
            served.submit(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # a stage may still be inside a model


def ignore_signals() -> None:
    """Ignore what a terminal sends to all processes: the parent decides how a run ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def encode_done(done: Done) -> bytes:
    """Pickle a message; one whose value cannot be pickled becomes the error that says so."""
    try:
        return pickle.dumps(done)
    except Exception as unpicklable:
        return pickle.dumps(replace(done, value=None, error=picklable(unpicklable)))


def find_function(name: str) -> Callable[[Any], Pipeline]:
    """Return the function "package.module:name"."""
    module, _, attribute = name.partition(":")
    function: Callable[[Any], Pipeline] = getattr(import_module(module), attribute)
    return function


def picklable(error: Exception) -> Exception:
    """Return the error, or one that says the same and can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception as unpicklable:
        log.debug("%r cannot be sent as it is: %r", error, unpicklable)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _unwrap_first(pipeline: Pipeline) -> list[Stage]:
    """The stages, of which the first one gets numbered items."""
    first, *others = pipeline.stages
    if first.max_batch is None:
        return [replace(first, work=lambda numbered: first.work(numbered.item)), *others]
    return [replace(first, work=lambda values: first.work([numbered.item for numbered in values])), *others]
