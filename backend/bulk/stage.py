"""One step of a pipeline, and what becomes of an item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Stage:
    """One step of the work on an item.

    Attributes:
        name: For counters.
        work: Turns the value of the stage before (the item itself in the first) into the next one. With `max_batch` it
            takes a list of values and returns as many, in the same order, a `Failed` for one that failed. If it raises,
            the item has failed; the values of a batch are then tried one by one.
        threads: Number of threads of its pool; of stages that share a pool the largest number counts.
        pool: Stages that name the same pool share its threads, such as the model stages of one device. A thread
            prefers a full batch over a partial one, and the later of two stages. "": threads of its own.
        max_batch: Number of values that are worked on together, of those that wait; None: one by one.
        is_counted: Whether the counters show it; not if other processes count what it waits for.
    """

    name: str
    work: Callable[[Any], Any]
    threads: int = 1
    pool: str = ""
    max_batch: int | None = None
    is_counted: bool = True

    @property
    def batch_size(self) -> int:
        return self.max_batch or 1


@dataclass(frozen=True)
class Finished(Generic[Item]):
    """An item that has left the stages.

    Attributes:
        value: What the last stage returned.
        error: Why it failed; None if it did not.
        stage: In which it failed; "" if it did not.
    """

    item: Item
    value: Any = None
    error: Exception | None = None
    stage: str = ""


@dataclass(frozen=True)
class Failed:
    """What the work of a batch returns in place of the value of an item that failed."""

    error: Exception


def run_batch(stage: Stage, values: list[Any]) -> list[Any]:
    """Run a stage on values; one that fails becomes a `Failed` and does not stop the others."""
    try:
        if stage.max_batch is None:
            return [stage.work(values[0])]
        worked = list(stage.work(values))
        if len(worked) != len(values):
            raise ValueError(f'Stage "{stage.name}" returned {len(worked)} values for {len(values)}.')
        return worked
    except BaseException as error:  # SystemExit too: without a result the run would never end
        if len(values) == 1:
            return [Failed(error if isinstance(error, Exception) else RuntimeError(repr(error)))]
        return [one for value in values for one in run_batch(stage, [value])]
