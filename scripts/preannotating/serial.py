"""Runner that predicts one task after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from backend.bulk import Outcome, Runner

Json = dict[str, Any]


def run_serially(predict: Callable[[Json], Json | None]) -> Runner:
    """Build a runner that calls `predict` with each task; None is a prediction without a region."""

    def run(tasks: Iterable[Json]) -> Iterator[Outcome]:
        for task in tasks:
            try:
                yield Outcome(task, predict(task) or {"result": [], "score": None})
            except Exception as error:  # one broken task must not end a run over thousands
                logging.getLogger(__name__).debug("Task %s failed", task.get("id"), exc_info=True)
                yield Outcome(task, error=error)

    return run
