"""Positions: where each person is in a project, and which images are therefore prefetched.

Pure data structures; `warmer` has the threads.

Label Studio does not tell who opens a task, so a person is recognised by their position. Opening a task that is one of
the next tasks of a position moves that position there; opening any other task creates a new position. Positions take
turns, so that neither a large project nor a fast annotator delays the others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import Task, TaskImage

MAX_POSITIONS = 32
MAX_HINTS = 8  # that wait to be looked up; more are dropped
FRESH_SECONDS = 60.0  # reopening the same task within this time does not query the next tasks again


@dataclass
class Position:
    """A person's position in a project.

    Attributes:
        task_id: The task that the person has open.
        max_tasks: How many of the next tasks to prefetch.
        is_hint: Whether the task may be invented, so that Label Studio has to be asked for it first.
        is_resolved: Whether the next tasks have been queried.
        pending: Images that are still to be prefetched, the next one first.
        next_task_ids: Ids of the next tasks, prefetched or not.
        created_at: Monotonic seconds.
    """

    project_id: str
    task_id: int
    config: LabelingConfig
    max_tasks: int
    is_hint: bool = False
    is_resolved: bool = False
    pending: deque[TaskImage] = field(default_factory=deque)
    next_task_ids: frozenset[int] = frozenset()
    created_at: float = field(default_factory=time.monotonic)

    @property
    def has_work(self) -> bool:
        """Whether the next tasks are to be queried or images to be prefetched."""
        return not self.is_resolved or bool(self.pending)


class Positions:
    """Round-robin queue of positions, the one whose turn is next first. Not thread-safe."""

    def __init__(self) -> None:
        self._positions: deque[Position] = deque(maxlen=MAX_POSITIONS)  # evicts the one that waited longest

    def move_to(
        self, project_id: str, task_id: int, config: LabelingConfig, max_tasks: int, *, is_hint: bool = False
    ) -> None:
        """Record that a person has opened this task, and drop what is pending for their previous position."""
        previous = next((p for p in self._positions if p.project_id == project_id and _leads_to(p, task_id)), None)
        if previous is not None:
            is_fresh = time.monotonic() - previous.created_at < FRESH_SECONDS
            if previous.task_id == task_id and previous.max_tasks == max_tasks and is_fresh:
                return
            self._positions.remove(previous)
        self._positions.append(Position(project_id, task_id, config, max_tasks, is_hint))

    def move_to_hint(self, project_id: str, task_id: int) -> bool:
        """Record a task that may be invented, with the config of the project's latest position.

        Returns:
            False if the project has no position, or too many hints wait; nothing is recorded then.
        """
        known = [position for position in self._positions if position.project_id == project_id]
        if not known or sum(position.is_hint and not position.is_resolved for position in self._positions) >= MAX_HINTS:
            return False
        latest = max(known, key=lambda position: position.created_at)
        self.move_to(project_id, task_id, latest.config, latest.max_tasks, is_hint=True)
        return True

    def next_with_work(self) -> Position | None:
        """Return the position whose turn it is, and move it to the end of the queue."""
        for position in self._positions:
            if position.has_work:
                self._positions.remove(position)
                self._positions.append(position)
                return position
        return None

    def resolve(self, position: Position, next_tasks: Sequence[Task]) -> None:
        """Set the next tasks of a position."""
        position.is_resolved = True
        position.pending.extend(image for task in next_tasks for image in task.images)
        position.next_task_ids = frozenset(task.task_id for task in next_tasks if task.task_id is not None)

    def cancel(self, position: Position) -> None:
        """Prefetch nothing more for a position."""
        position.is_resolved = True
        position.pending.clear()

    def forget(self, position: Position) -> None:
        """Remove a position."""
        self._positions = deque((other for other in self._positions if other is not position), MAX_POSITIONS)

    def is_current(self, position: Position) -> bool:
        """Whether the person is still at that position."""
        return any(other is position for other in self._positions)

    @property
    def has_work(self) -> bool:
        """Whether any position has work."""
        return any(position.has_work for position in self._positions)

    @property
    def waiting(self) -> int:
        """Number of images that are still to be prefetched."""
        return sum(len(position.pending) for position in self._positions)


def _leads_to(position: Position, task_id: int) -> bool:
    return position.task_id == task_id or task_id in position.next_task_ids
