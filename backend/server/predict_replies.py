"""Replies to parsed /predict requests, as Label Studio's JSON: the masks of a click, the class of an opened image."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from backend.errors import BackendError, Overloaded
from backend.label_studio.config import LabelingConfig, MessageLine
from backend.label_studio.requests import ClassifyImage, PredictRequest, Task
from backend.label_studio.results import EMPTY_ANSWER, add_message
from backend.predict import ANSWER_SECONDS, TaskAnswer, TaskPredictor
from backend.projects import ProjectSettings
from backend.runtime import Deadline
from backend.server.batch_predictions import ReportProblem, describe_omitted, predict_batch
from backend.server.services import Loader

log = logging.getLogger(__name__)

MODELS_TIMEOUT_SECONDS = 60.0  # for a click while the models load; Label Studio times out after 100 s
OPENING_SECONDS = 1.0  # the page does not open before the reply
BATCH_SECONDS = 60.0  # for all tasks of one request; Label Studio times out after 100 s


def reply_to(
    parsed: PredictRequest,
    loader: Loader,
    settings: ProjectSettings,
    report_problem: ReportProblem,
    has_disconnected: Callable[[], bool] = bool,
    line: MessageLine | None = None,
) -> list[Any]:
    """Build one reply for each task; a click waits while the models load.

    Args:
        report_problem: Called if one of several tasks fails and the others are answered.
        has_disconnected: Whether the client has disconnected; no further work is started then.
        line: Where the page of a request with a context shows messages; None for nowhere.

    Raises:
        BackendError: As `TaskPredictor.predict`, for one task.
    """
    if isinstance(parsed.request, ClassifyImage):
        return _classify_images(parsed, loader, settings, report_problem, has_disconnected)
    (task,) = parsed.tasks
    predictor = loader.get(MODELS_TIMEOUT_SECONDS).predictor
    deadline = Deadline.after(ANSWER_SECONDS, has_disconnected)
    answer = TaskAnswer()
    if parsed.request is not None:
        answer = predictor.answer(task, parsed.config, parsed.request, settings, deadline=deadline)
    if line is None:
        return [answer.document or EMPTY_ANSWER]
    return [add_message(answer.document, line, answer.message, predictor.model_version)]


def _classify_images(
    parsed: PredictRequest,
    loader: Loader,
    settings: ProjectSettings,
    report_problem: ReportProblem,
    has_disconnected: Callable[[], bool],
) -> list[Any]:
    """Reply to tasks without a prompt. An opened one gets the class of its image or an empty answer, without SAM.

    Label Studio sends one when a person opens it, and all selected ones for "Batch predictions" ("Retrieve
    predictions"), which `batch_predictions` answers with masks. One selected task cannot be told from an opened one, so
    a project decides what both get (`single_task`).
    The image of an opened task is encoded in the background, so that the first click is warm. Label Studio stores the
    reply as the newest prediction, so a task that was pre-annotated with masks gets an empty answer.
    """
    if not parsed.tasks:
        return []
    if len(parsed.tasks) > 1 or settings.single_task == "masks":
        return _predict_batch(parsed, loader, settings, report_problem, has_disconnected)
    if not loader.ready:
        return [EMPTY_ANSWER]
    services, (task,) = loader.get(), parsed.tasks
    for image in reversed(task.images):  # the warmer takes the last one first
        services.warmer.warm(image)
    if task.is_predicted or not parsed.config.classifies_images or not services.facts.has_clip:
        return [EMPTY_ANSWER]
    deadline = Deadline.after(OPENING_SECONDS, has_disconnected)
    return [_classify_quickly(services.predictor, task, parsed.config, settings, deadline)]


def _predict_batch(
    parsed: PredictRequest,
    loader: Loader,
    settings: ProjectSettings,
    report_problem: ReportProblem,
    has_disconnected: Callable[[], bool],
) -> list[Any]:
    if not loader.ready:
        report_problem(describe_omitted(parsed.tasks, parsed, "The models are not loaded yet."))
        return [EMPTY_ANSWER for _ in parsed.tasks]
    deadline = Deadline.after(BATCH_SECONDS, has_disconnected)
    return predict_batch(parsed, loader.get().predictor, settings, deadline, report_problem)


def _classify_quickly(
    predictor: TaskPredictor, task: Task, config: LabelingConfig, settings: ProjectSettings, deadline: Deadline
) -> Any:
    """Classify the image of an opened task within `OPENING_SECONDS`.

    A slow image or a full queue gives an empty answer; a missing image raises.
    """
    try:
        return predictor.predict(task, config, ClassifyImage(), settings, deadline=deadline) or EMPTY_ANSWER
    except BackendError as error:
        if not isinstance(error, Overloaded) and not deadline.has_passed:
            raise
        log.info("Task %s opened without an image class: %s", task.task_id, error)
        return EMPTY_ANSWER


def prefetch_after(
    loader: Loader, project_id: str, task_id: int | None, config: LabelingConfig, settings: ProjectSettings
) -> None:
    """Prefetch the tasks after this one, once the models are loaded."""
    if loader.ready:
        loader.get().warmer.prefetch_after(project_id, task_id, config, settings.prefetch)


def prefetch_after_hint(loader: Loader, project_id: str, task_id: int) -> None:
    """Prefetch the tasks after this one, of which only the ids are known and may be invented."""
    if loader.ready:
        loader.get().warmer.prefetch_after_hint(project_id, task_id)
