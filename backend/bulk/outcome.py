"""What became of one task of a bulk run: the seam between the runner that predicts and the importer that writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


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


# Takes tasks lazily, a bounded number ahead of what was consumed, and yields each exactly once, in any order.
Runner = Callable[[Iterable[dict[str, Any]]], Iterator[Outcome]]
