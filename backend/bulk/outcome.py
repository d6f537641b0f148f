"""What became of one task of a bulk run: the seam between the runner that predicts and the importer that writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Outcome:
    """A task's prediction, or the reason why there is none.

    Attributes:
        task: The task document that was given to the runner, with "id" and "data".
        prediction: Label Studio's `result` and `score`; None if the task failed.
        error: Why it failed; None if it did not.
    """

    task: dict[str, Any]
    prediction: dict[str, Any] | None = None
    error: Exception | None = None


class Outcomes(Protocol):
    """The outcomes of a run, in the order in which they get ready.

    Tasks are pulled in `next`, on the caller's thread, a bounded number ahead of what was returned. An exception of the
    tasks is raised after the outcomes of those before it.
    """

    def __iter__(self) -> Iterator[Outcome]: ...
    def __next__(self) -> Outcome: ...

    def stop(self) -> None:
        """Take no more tasks and drop those that no model has seen; `next` still returns the others."""
        ...

    def close(self) -> None:
        """Drop what is in flight and end all threads and processes of the run."""
        ...


Runner = Callable[[Iterable[dict[str, Any]]], Outcomes]


class ClosableRunner(Protocol):
    """A `Runner` that may keep workers from one run to the next."""

    def __call__(self, tasks: Iterable[dict[str, Any]]) -> Outcomes: ...

    def close(self) -> None:
        """End what is kept for a further run."""
        ...
