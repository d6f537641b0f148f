"""Background threads that fill the embedding cache: first for opened tasks, then for the tasks that come next."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any, Protocol

from backend.errors import BackendError
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import TaskImage, parse_task
from backend.prefetch.positions import Position, Positions
from backend.values import Priority

log = logging.getLogger(__name__)

MAX_WAITING = 16  # opened tasks; older ones are dropped, because their pages have been left


class Predictor(Protocol):
    """Interface of `predict.TaskPredictor`."""

    def fetch_image(self, image: TaskImage, *, prefetch: bool = False) -> SourceImage: ...
    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None: ...


class NextTasks(Protocol):
    """Interface of `label_studio.api.next_tasks.NextTasks`."""

    def after(self, project_id: str, task_id: int, max_tasks: int, /) -> list[dict[str, Any]]: ...
    def has_task(self, project_id: str, task_id: int, /) -> bool: ...


class Warmer:
    """Two background threads, one for opened tasks and one for the next tasks. No request waits for them.

    The task that was opened last goes first, because a person is looking at it now. The next tasks wait while an opened
    task is waiting or being encoded. In front of the models, opened tasks go before the next tasks, and clicks before
    both (`values.Priority`).

    Args:
        predictor: Fetches and encodes the images.
        next_tasks: Finds the tasks that come next; None: only opened tasks are encoded.
        prefetch_tasks: Number of next tasks to prefetch, unless the project's setting overrides it.
    """

    def __init__(
        self,
        predictor: Predictor,
        next_tasks: NextTasks | None = None,
        prefetch_tasks: int = 0,
    ) -> None:
        self._predictor, self._next_tasks = predictor, next_tasks
        self._prefetch_tasks = prefetch_tasks
        self._waiting: OrderedDict[tuple[str, str], TaskImage] = OrderedDict()
        self._positions = Positions()
        self._is_encoding_opened = False
        self._has_warned = False
        self._changed = threading.Condition()
        threading.Thread(target=self._serve_opened, name="warmer", daemon=True).start()
        if next_tasks is not None:
            threading.Thread(target=self._serve_positions, name="prefetch", daemon=True).start()

    def warm(self, image: TaskImage) -> None:
        """Queue an image of an opened task, without waiting."""
        key = (image.project_id, image.uri)
        with self._changed:
            self._waiting[key] = image
            self._waiting.move_to_end(key)
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popitem(last=False)
            self._changed.notify_all()

    def prefetch_after(
        self, project_id: str, task_id: int | None, config: LabelingConfig, max_tasks: int | None = None
    ) -> None:
        """Prefetch the tasks after one that a person has opened, and no longer those they have passed, without waiting.

        Args:
            max_tasks: The project's setting, 0 to prefetch nothing; None: the default.
        """
        max_tasks = self._prefetch_tasks if max_tasks is None else max_tasks
        if self._next_tasks is None or task_id is None or not project_id or max_tasks == 0:
            return
        with self._changed:
            self._positions.move_to(project_id, task_id, config, max_tasks)
            self._changed.notify_all()

    def prefetch_after_hint(self, project_id: str, task_id: int) -> None:
        """Prefetch the tasks after one that may be invented, without waiting.

        Ignored for a project without a position: the labeling config and the number of tasks are those of the
        project's latest position, which came from a trusted request. Label Studio is first asked whether the project
        has the task; if not, nothing is prefetched.
        """
        with self._changed:
            if self._next_tasks is not None and self._positions.move_to_hint(project_id, task_id):
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Number of images that are still to be encoded."""
        return len(self._waiting) + self._positions.waiting

    def _serve_opened(self) -> None:
        while True:
            with self._changed:
                self._is_encoding_opened = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                _, image = self._waiting.popitem()
                self._is_encoding_opened = True
            try:
                self._predictor.warm(self._predictor.fetch_image(image))
            except BackendError as error:
                log.warning("Could not encode the image of task %s in advance: %s", image.task_id, error)
            except Exception:  # an error in one image must not end the thread
                log.exception("Could not encode the image of task %s in advance.", image.task_id)

    def _serve_positions(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._positions.has_work and not self._waiting and not self._is_encoding_opened
                )
                position = self._positions.next_with_work()
                image = position.pending.popleft() if position is not None and position.pending else None
            if position is None:
                continue
            try:
                self._prefetch(position, image) if image else self._resolve(position)
            except BackendError as error:
                self._cancel(position, error)
            except Exception:  # an error in one image must not end the thread
                log.exception("Prefetch after task %s failed.", position.task_id)
                self._positions.cancel(position)

    def _resolve(self, position: Position) -> None:
        """Query the next tasks of a position. Raises `LabelStudioError`."""
        if self._next_tasks is None:
            return
        place = position.project_id, position.task_id, position.max_tasks
        if position.is_hint and not self._next_tasks.has_task(position.project_id, position.task_id):
            with self._changed:
                self._positions.forget(position)
            return
        documents = self._next_tasks.after(*place)
        tasks = []
        for document in documents:
            try:
                tasks.append(parse_task(document, position.config, project_id=position.project_id))
            except BackendError as error:  # a task without an image; the error is shown when the task is opened
                log.debug("Task %s is not prefetched: %s", document.get("id"), error)
        with self._changed:
            self._positions.resolve(position, tasks)
        self._has_warned = False

    def _prefetch(self, position: Position, image: TaskImage) -> None:
        source_image = self._predictor.fetch_image(image, prefetch=True)
        if self._positions.is_current(position):
            self._predictor.warm(source_image, priority=Priority.PREFETCH)

    def _cancel(self, position: Position, error: BackendError) -> None:
        """Stop prefetching for a position, because what failed for one task would probably fail for the next."""
        log.log(
            logging.DEBUG if self._has_warned or position.is_hint else logging.WARNING,
            "Prefetch after task %s of project %s was cancelled: %s",
            position.task_id,
            position.project_id,
            error,
        )
        self._has_warned = self._has_warned or not position.is_hint
        with self._changed:
            self._positions.cancel(position)
            if position.is_hint:
                self._positions.forget(position)
