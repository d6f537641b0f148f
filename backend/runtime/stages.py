"""Where the time of a request goes: a record of its stages, which the threads that work for it add to.

The record is in a context variable. `PriorityExecutor` and `SingleFlight` run work in the context of the thread that
queued it, so a model thread adds to the record of the request whose work it runs. Without a record, as in prefetching
and in commands, nothing is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

STAGES = ("queue", "fetch", "cache", "decode", "encode", "detector", "sam", "clip", "write")
"""Waiting for a model thread or for another worker's embedding; the image's bytes; the embedding's look-up; the image's
pixels; SAM's image encoder; the detector's boxes; SAM's mask decoder with what prepares its prompts; CLIP; results to
JSON."""
EMBEDDING_SOURCES = ("memory", "redis", "computed")  # the more expensive, the later


class StageRecord:
    """Seconds by stage of one request, and the sources of its embeddings. Thread-safe, as appending to a list is."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, float]] = []
        self._sources: list[str] = []

    def add(self, stage: str, seconds: float) -> None:
        """Add time to a stage; a task with several images passes through most of them several times."""
        self._spans.append((stage, seconds))

    def note_embedding(self, source: str) -> None:
        """Note where an embedding came from, one of `EMBEDDING_SOURCES`."""
        self._sources.append(source)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, in the order of `STAGES`; those that were not passed are missing. They do not overlap."""
        total: dict[str, float] = {}
        for name, seconds in tuple(self._spans):
            total[name] = total.get(name, 0.0) + seconds
        return {name: total[name] for name in STAGES if name in total}

    @property
    def embedding_source(self) -> str:
        """The most expensive source of an embedding; "" if none was needed."""
        return max(self._sources, key=EMBEDDING_SOURCES.index, default="")


_record: ContextVar[StageRecord | None] = ContextVar("stage_record", default=None)
_open: ContextVar[stage | None] = ContextVar("open_stage", default=None)


def start_record(record: StageRecord | None) -> None:
    """Make this the record of what follows in this context; None ends the recording."""
    _record.set(record)
    _open.set(None)


def note_embedding(source: str) -> None:
    """Note where an embedding of the current request came from, one of `EMBEDDING_SOURCES`."""
    record = _record.get()
    if record is not None:
        record.note_embedding(source)


class stage:  # noqa: N801 - used as a function: `with stage("fetch"):`
    """Context in which time counts for a stage; a stage within it counts for itself alone.

    Args:
        name: One of `STAGES`.
    """

    __slots__ = ("_inner", "_name", "_record", "_started", "_token")

    _inner: float
    _started: float
    _token: Token[stage | None]

    def __init__(self, name: str) -> None:
        self._name, self._record = name, _record.get()

    def __enter__(self) -> None:
        if self._record is not None:
            self._token, self._inner, self._started = _open.set(self), 0.0, time.perf_counter()

    def __exit__(self, *_: object) -> None:
        record = self._record
        if record is not None:
            seconds = time.perf_counter() - self._started
            record.add(self._name, seconds - self._inner)
            _open.reset(self._token)
            _count_in_outer(seconds)


def add_waited(name: str, seconds: float) -> None:
    """Add time to a stage that was measured elsewhere and has just passed, such as that in a queue."""
    record = _record.get()
    if record is not None:
        record.add(name, seconds)
        _count_in_outer(seconds)


def timed(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function whose whole time counts for a stage."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def measure(*args: P.args, **kwargs: P.kwargs) -> T:
            with stage(name):
                return function(*args, **kwargs)

        return measure

    return decorate


def _count_in_outer(seconds: float) -> None:
    outer = _open.get()
    if outer is not None:
        outer._inner += seconds
