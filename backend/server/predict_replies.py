"""What is said to a /predict body: a click's masks, the class of an opened image, or nothing at once.

Flask stays at the door (`app`): what comes in here is parsed, what goes out is Label Studio's JSON as Python lists.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from backend.errors import BackendError, ClientGone, Overloaded
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import ClassifyImage, PredictRequest, Task
from backend.label_studio.results import EMPTY_ANSWER
from backend.predict import ANSWER_SECONDS, TaskPredictor
from backend.prefetch import Warmer
from backend.projects import ProjectSettings
from backend.runtime import Patience
from backend.server.status_page import ModelFacts
from backend.values import Priority

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


def answer(
    parsed: PredictRequest,
    loader: Loader,
    settings: ProjectSettings,
    complain: Complain,
    has_left: Callable[[], bool] = bool,
) -> list[Any]:
    """One answer for each task; a click waits for models that still load.

    Args:
        has_left: Whether whoever asked has gone away; nothing more is begun for them.
        complain: Takes what is wrong with one of several tasks whose others are answered.

    Raises:
        BackendError: As `TaskPredictor.predict`, for one task.
    """
    if isinstance(parsed.request, ClassifyImage):
        return _answer_quietly(parsed, loader, settings, complain, has_left)
    (task,) = parsed.tasks
    predictor = loader.get(WAIT_FOR_MODELS_SECONDS)[0]
    patience = Patience.of(ANSWER_SECONDS, has_left)
    if parsed.request is None:
        return [EMPTY_ANSWER]
    return [predictor.predict(task, parsed.config, parsed.request, settings, patience=patience) or EMPTY_ANSWER]


def _answer_quietly(
    parsed: PredictRequest, loader: Loader, settings: ProjectSettings, complain: Complain, has_left: Callable[[], bool]
) -> list[Any]:
    """Answers for tasks without a prompt, which never wait for SAM: the class of the image, or nothing.

    Label Studio sends these when a person opens a task (one) and for "Retrieve predictions" (all selected ones). The
    image is encoded behind the clicks, so that the first click finds it warm. What is answered is stored as the newest
    prediction, so a task that was pre-annotated with masks is answered with nothing.
    """
    if not loader.ready:
        return [EMPTY_ANSWER for _ in parsed.tasks]
    predictor, facts, warmer = loader.get()
    for task in parsed.tasks:
        for image in reversed(task.images):  # the newest goes first
            warmer.warm(image)
    nothing_to_say = not parsed.config.classifies_images or not facts.clip_works
    if nothing_to_say or all(task.is_predicted for task in parsed.tasks):
        return [EMPTY_ANSWER for _ in parsed.tasks]
    if len(parsed.tasks) == 1:
        patience = Patience.of(OPENING_SECONDS, has_left)
        return [_classify_quickly(predictor, parsed.tasks[0], parsed.config, settings, patience)]
    patience = Patience.of(BATCH_SECONDS, has_left)
    return [
        EMPTY_ANSWER
        if task.is_predicted
        else _try_classify(predictor, task, parsed.config, settings, patience, complain)
        for task in parsed.tasks
    ]


def _classify_quickly(
    predictor: TaskPredictor, task: Task, config: LabelingConfig, settings: ProjectSettings, patience: Patience
) -> Any:
    """The class of an opened image, if it is to be had at once: the page opens only when this is answered.

    An image that is slow, or models that are busy, are no error; an image that is not there is.
    """
    try:
        return predictor.predict(task, config, ClassifyImage(), settings, patience=patience) or EMPTY_ANSWER
    except BackendError as error:
        if not isinstance(error, Overloaded) and not patience.is_over:
            raise
        log.info("Task %s is opened without the class of its image: %s", task.task_id, error)
        return EMPTY_ANSWER


def _try_classify(
    predictor: TaskPredictor,
    task: Task,
    config: LabelingConfig,
    settings: ProjectSettings,
    patience: Patience,
    complain: Complain,
) -> Any:
    """One image that cannot be had must not cost the answers for the others."""
    patience.check()
    if patience.is_over:
        return EMPTY_ANSWER
    unhurried = Patience(has_left=patience.has_left)  # what is begun is brought to its end
    try:
        request = ClassifyImage()
        return (
            predictor.predict(task, config, request, settings, priority=Priority.BULK, patience=unhurried)
            or EMPTY_ANSWER
        )
    except ClientGone:
        raise
    except BackendError as error:
        complain(f"Task {task.task_id} is left out of the answer: {error}")
        return EMPTY_ANSWER


def look_ahead(
    loader: Loader, project_id: str, task_id: int | None, config: LabelingConfig, settings: ProjectSettings
) -> None:
    """Somebody is at this task: prepare what comes next, behind everything else, once the models are there."""
    if loader.ready:
        loader.get()[2].prefetch_after(project_id, task_id, config, settings.prefetch)
