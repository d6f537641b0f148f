"""Warmer: what is computed before anybody asks. An opened task's image is fetched and encoded behind the clicks, and
behind that the images of the tasks that come next.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import Any, Protocol

from backend.errors import BackendError
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import TaskImage, parse_task
from backend.prefetch.positions import Walk, Walks
from backend.values import Priority

log = logging.getLogger(__name__)

MAX_WAITING = 16  # opened tasks; older ones are dropped, because their pages have been left


class Warms(Protocol):
    """What the warmer needs of `predict.TaskPredictor`."""

    def fetch_image(self, image: TaskImage, *, ahead: bool = False) -> SourceImage: ...
    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None: ...


class Following(Protocol):
    """What the warmer needs of `label_studio.next_tasks.NextTasks`."""

    def after(self, project_id: str, task_id: int, most: int) -> list[dict[str, Any]]: ...


class Warmer:
    """Two threads, one for opened tasks and one for those that come next; nothing here is waited for by a request.

    Of opened tasks the newest goes first: it is the one a person looks at now. While one waits, no other is begun; and
    the models put opened tasks before those that come next, and clicks before both (`values.Priority`).

    Args:
        predictor: Fetches and encodes.
        following: Knows which tasks come next; None: nobody does, and only opened tasks are prepared.
        prefetch_tasks: How many of them are prepared, unless the project says otherwise.
    """

    def __init__(
        self,
        predictor: Warms,
        following: Following | None = None,
        prefetch_tasks: int = 0,
    ) -> None:
        self._predictor, self._following = predictor, following
        self._prefetch_tasks = prefetch_tasks
        self._waiting: OrderedDict[tuple[str, str], TaskImage] = OrderedDict()
        self._walks = Walks()
        self._is_opening = False
        self._is_refused = False
        self._changed = threading.Condition()
        threading.Thread(target=self._serve_opened, name="warmer", daemon=True).start()
        if following is not None:
            threading.Thread(target=self._serve_walks, name="prefetch", daemon=True).start()

    def warm(self, image: TaskImage) -> None:
        """Queue an image of an opened task; returns at once."""
        key = (image.project_id, image.uri)
        with self._changed:
            self._waiting[key] = image
            self._waiting.move_to_end(key)
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popitem(last=False)
            self._changed.notify_all()

    def look_ahead(self, project_id: str, task_id: int | None, config: LabelingConfig, most: int | None = None) -> None:
        """Somebody works on this task: prepare those that come next, and no longer those passed; returns at once.

        Args:
            most: How many, if the project decides that itself; 0: none.
        """
        most = self._prefetch_tasks if most is None else most
        if self._following is None or task_id is None or not project_id or most == 0:
            return
        with self._changed:
            self._walks.step(project_id, task_id, config, most)
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many images are still to be prepared."""
        return len(self._waiting) + self._walks.waiting

    def _serve_opened(self) -> None:
        while True:
            with self._changed:
                self._is_opening = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                _, image = self._waiting.popitem()
                self._is_opening = True
            try:
                self._predictor.warm(self._predictor.fetch_image(image))
            except BackendError as error:
                log.warning("Task %s could not be prepared: %s", image.task_id, error)
            except Exception:  # this thread must outlive whatever one image does to it
                log.exception("Task %s could not be prepared.", image.task_id)

    def _serve_walks(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._walks.has_work and not self._waiting and not self._is_opening)
                walk = self._walks.next_with_work()
                image = walk.ahead.popleft() if walk is not None and walk.ahead else None
            if walk is None:
                continue
            try:
                self._prepare(walk, image) if image else self._ask(walk)
            except BackendError as error:
                self._give_up(walk, error)
            except Exception:  # this thread must outlive whatever one image does to it
                log.exception("What follows task %s could not be prepared.", walk.task_id)
                self._walks.give_up(walk)

    def _ask(self, walk: Walk) -> None:
        """Raises `LabelStudioError`."""
        documents = self._following.after(walk.project_id, walk.task_id, walk.most) if self._following else []
        tasks = []
        for document in documents:
            with suppress(BackendError):  # one without an image, which is said to whoever opens it
                tasks.append(parse_task(document, walk.config, project_id=walk.project_id))
        with self._changed:
            self._walks.tell(walk, tasks)
        self._is_refused = False

    def _prepare(self, walk: Walk, image: TaskImage) -> None:
        fetched = self._predictor.fetch_image(image, ahead=True)
        if self._walks.goes_on(walk):
            self._predictor.warm(fetched, priority=Priority.AHEAD)

    def _give_up(self, walk: Walk, error: BackendError) -> None:
        """Leave this place alone: what failed for one task would fail, and take its time, for the next as well."""
        log.log(
            logging.DEBUG if self._is_refused else logging.WARNING,
            "What follows task %s of project %s is not prepared: %s",
            walk.task_id,
            walk.project_id,
            error,
        )
        self._is_refused = True
        with self._changed:
            self._walks.give_up(walk)
