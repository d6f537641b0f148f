"""What is said to a /predict body: a click's masks, the class of an opened image, or nothing at once.

Flask stays at the door (`app`): what comes in here is parsed, what goes out is Label Studio's JSON as Python lists.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from backend.errors import BackendError, Overloaded
from backend.label_studio.config import LabelingConfig
from backend.label_studio.results import EMPTY_ANSWER
from backend.label_studio.tasks import PredictRequest, Task
from backend.predict import Job, TaskPredictor
from backend.project_settings import ProjectSettings
from backend.status import ModelFacts
from backend.values import Priority
from backend.warming import Warmer

log = logging.getLogger(__name__)

WAIT_FOR_MODELS_SECONDS = 60.0  # a click that comes while the models load; Label Studio waits 100 s
OPENING_SECONDS = 1.0  # a page may wait for the class of its image
BATCH_SECONDS = 60.0  # of classifying whole images in one request; Label Studio waits 100 s

Complain = Callable[[str], None]


class Loader(Protocol):
    """What the door and the answers need of `loading.BackgroundLoader`."""

    @property
    def ready(self) -> bool: ...
    @property
    def error(self) -> BackendError | None: ...
    def get(self, timeout_seconds: float = 0.0) -> tuple[TaskPredictor, ModelFacts, Warmer]: ...


def answer(parsed: PredictRequest, loader: Loader, settings: ProjectSettings, complain: Complain) -> list[Any]:
    """One answer for each task; a click waits for models that still load.

    Args:
        complain: Takes what is wrong with one of several tasks whose others are answered.

    Raises:
        BackendError: As `TaskPredictor.predict`, for one task.
    """
    if not parsed.interactive:
        return _answer_quietly(parsed, loader, settings, complain)
    (task,) = parsed.tasks
    predictor = loader.get(WAIT_FOR_MODELS_SECONDS)[0]
    asked = task.prompts or task.texts
    document = predictor.predict_document(task, parsed.config, Job(settings=settings)) if asked else None
    return [document or EMPTY_ANSWER]


def _answer_quietly(parsed: PredictRequest, loader: Loader, settings: ProjectSettings, complain: Complain) -> list[Any]:
    """Answers for tasks without a prompt, which never wait for SAM: the class of the image, or nothing.

    Label Studio sends these when a person opens a task (one) and for "Retrieve predictions" (all selected ones). The
    image is encoded behind the clicks, so that the first click finds it warm.
    """
    if not loader.ready:
        return [EMPTY_ANSWER for _ in parsed.tasks]
    predictor, facts, warmer = loader.get()
    for task in parsed.tasks:
        for shown in reversed(task.images):  # the newest goes first
            warmer.warm(shown)
    if not parsed.config.classifies_images or not facts.clip_works:
        return [EMPTY_ANSWER for _ in parsed.tasks]
    job = Job(settings=settings)
    if len(parsed.tasks) == 1:
        return [_classify_quickly(predictor, parsed.tasks[0], parsed.config, job)]
    end = time.monotonic() + BATCH_SECONDS
    return [_try_classify(predictor, task, parsed.config, job, end, complain) for task in parsed.tasks]


def _classify_quickly(predictor: TaskPredictor, task: Task, config: LabelingConfig, job: Job) -> Any:
    """The class of an opened image, if it is to be had at once: the page opens only when this is answered.

    An image that is slow, or models that are busy, are no error; an image that is not there is.
    """
    started = time.monotonic()
    try:
        document = predictor.predict_document(task, config, job, patience=OPENING_SECONDS)
        return document or EMPTY_ANSWER
    except BackendError as error:
        if not isinstance(error, Overloaded) and time.monotonic() - started < OPENING_SECONDS:
            raise
        log.info("Task %s is opened without the class of its image: %s", task.task_id, error)
        return EMPTY_ANSWER


def _try_classify(
    predictor: TaskPredictor, task: Task, config: LabelingConfig, job: Job, end: float, complain: Complain
) -> Any:
    """One image that cannot be had must not cost the answers for the others."""
    if time.monotonic() > end:
        return EMPTY_ANSWER
    try:
        return predictor.predict_document(task, config, job, priority=Priority.BULK) or EMPTY_ANSWER
    except BackendError as error:
        complain(f"Task {task.task_id} is left out of the answer: {error}")
        return EMPTY_ANSWER


def look_ahead(
    loader: Loader, project_id: str, task_id: int | None, config: LabelingConfig, settings: ProjectSettings
) -> None:
    """Somebody is at this task: prepare what comes next, behind everything else, once the models are there."""
    if loader.ready:
        loader.get()[2].look_ahead(project_id, task_id, config, settings.prefetch)
