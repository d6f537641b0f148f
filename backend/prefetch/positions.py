"""Walks: who is at which task, and which tasks are therefore to be prepared. Pure; `warming` has the threads.

Label Studio does not tell who asks. A walk is known by where it is: whoever opens a task that a walk was about to reach
is that walk going on, whoever opens another begins a new one. Walks take turns, so that neither a large project nor a
fast annotator keeps the others waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import Task, TaskImage

MOST_WALKS = 32
FRESH_SECONDS = 60.0  # within these a walk that stays where it is asks nothing anew


@dataclass
class Walk:
    """One person's way through a project.

    Attributes:
        task_id: Where they are.
        most: How many of the next tasks are wanted.
        is_known: Whether what comes next was asked for already.
        ahead: What of it is still to be prepared, the next first.
        reached: Ids of all that comes next, prepared or not.
        asked_at: Monotonic seconds.
    """

    project_id: str
    task_id: int
    config: LabelingConfig
    most: int
    is_known: bool = False
    ahead: deque[TaskImage] = field(default_factory=deque)
    reached: frozenset[int] = frozenset()
    asked_at: float = field(default_factory=time.monotonic)

    @property
    def has_work(self) -> bool:
        return not self.is_known or bool(self.ahead)


class Walks:
    """All walks, the one whose turn is next first. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._walks: deque[Walk] = deque(maxlen=MOST_WALKS)  # whose owner was not seen for longest leaves

    def step(self, project_id: str, task_id: int, config: LabelingConfig, most: int) -> None:
        """Somebody is at this task. What was to be prepared for where they were before is dropped."""
        before = next((walk for walk in self._walks if walk.project_id == project_id and _is_at(walk, task_id)), None)
        if before is not None:
            is_fresh = time.monotonic() - before.asked_at < FRESH_SECONDS
            if before.task_id == task_id and before.most == most and is_fresh:
                return
            self._walks.remove(before)
        self._walks.append(Walk(project_id, task_id, config, most))

    def next_with_work(self) -> Walk | None:
        """The walk whose turn it is; it goes to the end of the queue."""
        for walk in self._walks:
            if walk.has_work:
                self._walks.remove(walk)
                self._walks.append(walk)
                return walk
        return None

    def tell(self, walk: Walk, following: Sequence[Task]) -> None:
        """What comes next for a walk, if it has not gone on meanwhile."""
        walk.is_known = True
        walk.ahead.extend(image for task in following for image in task.images)
        walk.reached = frozenset(task.task_id for task in following if task.task_id is not None)

    def give_up(self, walk: Walk) -> None:
        """Nothing more is prepared for where this walk is."""
        walk.is_known = True
        walk.ahead.clear()

    def goes_on(self, walk: Walk) -> bool:
        """Whether its owner is still where it says."""
        return any(other is walk for other in self._walks)

    @property
    def has_work(self) -> bool:
        return any(walk.has_work for walk in self._walks)

    @property
    def waiting(self) -> int:
        """How many images are still to be prepared."""
        return sum(len(walk.ahead) for walk in self._walks)


def _is_at(walk: Walk, task_id: int) -> bool:
    return walk.task_id == task_id or task_id in walk.reached
