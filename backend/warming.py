"""Warmer: what is computed before anybody asks. An opened task's image is fetched and encoded behind the clicks."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Protocol

from backend.errors import BackendError
from backend.image import SourceImage
from backend.label_studio.tasks import Task

log = logging.getLogger(__name__)


class Warms(Protocol):
    """What the warmer needs of `predict.TaskPredictor`."""

    def fetch_image(self, task: Task) -> SourceImage: ...
    def warm(self, image: SourceImage) -> None: ...


class Warmer:
    """One thread with a short queue. The newest task goes first: it is the one a person looks at now.

    Args:
        predictor: Fetches and encodes.
        most_waiting: Older tasks than this many are dropped; nobody looks at them any more.
    """

    def __init__(self, predictor: Warms, most_waiting: int = 16) -> None:
        self._predictor, self._most_waiting = predictor, most_waiting
        self._waiting: OrderedDict[tuple[str, str], Task] = OrderedDict()
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="warmer", daemon=True).start()

    def warm(self, task: Task) -> None:
        """Queue a task's image; returns at once."""
        key = (task.project_id, task.image_uri)
        with self._changed:
            self._waiting[key] = task
            self._waiting.move_to_end(key)
            while len(self._waiting) > self._most_waiting:
                self._waiting.popitem(last=False)
            self._changed.notify()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                _, task = self._waiting.popitem()
            try:
                self._predictor.warm(self._predictor.fetch_image(task))
            except BackendError as error:
                log.warning("Task %s could not be prepared: %s", task.task_id, error)
            except Exception:  # this thread must outlive whatever one image does to it
                log.exception("Task %s could not be prepared.", task.task_id)
