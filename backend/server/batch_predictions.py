"""Replies to tasks without a prompt, with masks: what Label Studio's "Batch predictions" asks for.

Label Studio waits for the reply to all selected tasks and stores it as their newest predictions; an empty answer
stores nothing, so it hides none. Each task is answered as `scripts.preannotate` would predict it and under the same
version, so that neither does again what the other has done; nor what it has scored for review (`--review`).

A single task may have been opened by a person (see `predict_replies`). Its masks get the version that /setup names:
with the connected model chosen for prelabeling, "Label All Tasks" shows the predictions of that version and asks again
for a task that has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from backend.errors import BackendError, ClientDisconnected
from backend.label_studio.config import SHAPES
from backend.label_studio.requests import PredictRequest, SegmentAll, Task
from backend.label_studio.results import EMPTY_ANSWER, kind_of_region
from backend.predict import TaskPredictor, build_version
from backend.projects import ProjectSettings
from backend.runtime import Deadline
from backend.values import Priority

MAX_TASKS_NAMED = 20

ReportProblem = Callable[[str], None]


def predict_batch(
    parsed: PredictRequest,
    predictor: TaskPredictor,
    settings: ProjectSettings,
    deadline: Deadline,
    report_problem: ReportProblem,
) -> list[Any]:
    """Segment and classify as many of the tasks as the time allows; the others get an empty answer and are reported.

    The work has the lowest priority, and clicks go before it between two batches of masks. For a single task a person
    may be waiting, so that it goes before other work in the background.

    Raises:
        ClientDisconnected: The client disconnected.
    """
    if problem := _find_obstacle(parsed, predictor):
        report_problem(describe_omitted(parsed.tasks, parsed, problem))
        return [EMPTY_ANSWER for _ in parsed.tasks]
    batch = _Batch(parsed, predictor, settings, deadline, report_problem)
    answers = [batch.answer(task) for task in parsed.tasks]
    if batch.late:
        report_problem(describe_omitted(batch.late, parsed, "They did not fit into one request."))
    return answers


def describe_omitted(tasks: Sequence[Task], parsed: PredictRequest, reason: str) -> str:
    """Name the tasks that got no masks, and the command that makes them."""
    named = ", ".join(str(task.task_id) for task in tasks[:MAX_TASKS_NAMED])
    others = f" and {len(tasks) - MAX_TASKS_NAMED} more" if len(tasks) > MAX_TASKS_NAMED else ""
    counts = f"{len(tasks)} of {len(parsed.tasks)} tasks got no masks from Batch predictions: {named}{others}."
    command = f"python -m scripts.preannotate --project {parsed.project_id or 'ID'}"
    return f"{counts} {reason} Run `{command}`, which makes them."


def _find_obstacle(parsed: PredictRequest, predictor: TaskPredictor) -> str:
    """Return why no task can be segmented, or ""."""
    must_choose = any(len(image.answer_classes) > 1 for image in parsed.config.images)
    if must_choose and not predictor.labeler.can_classify:
        return "CLIP is not loaded, so it cannot choose their labels; /health says why."
    return ""


class _Batch:
    """The tasks of one request, one after the other until the deadline.

    Attributes:
        late: Tasks that were left out, because the deadline had passed or would probably pass.
    """

    def __init__(
        self,
        parsed: PredictRequest,
        predictor: TaskPredictor,
        settings: ProjectSettings,
        deadline: Deadline,
        report_problem: ReportProblem,
    ) -> None:
        self._config, self._predictor, self._settings = parsed.config, predictor, settings
        self._deadline, self._report_problem = deadline, report_problem
        self._is_single = len(parsed.tasks) == 1
        everything = SegmentAll(predictor.default_proposal())
        version, reviewed = (
            build_version(predictor.model_version, parsed.config, request, settings)
            for request in (everything, replace(everything, review=True))
        )
        self._done = {version, reviewed}
        self._version = predictor.model_version if self._is_single else version
        self._max_seconds = 0.0
        self.late: list[Task] = []

    def answer(self, task: Task) -> Any:
        """Answer one task: a prediction with masks, or an empty answer.

        A task without any mask gets its image class, unless that would hide earlier masks.

        Raises:
            ClientDisconnected: The client disconnected.
        """
        if not self._done.isdisjoint(task.predicted_by):
            return EMPTY_ANSWER
        self._deadline.raise_if_disconnected()
        remaining = self._deadline.remaining
        if remaining is not None and remaining <= self._max_seconds:  # the next one will hardly be faster
            self.late.append(task)
            return EMPTY_ANSWER
        started = time.monotonic()
        document = self._predict(task)
        self._max_seconds = max(self._max_seconds, time.monotonic() - started)
        if document is None or (task.is_predicted and not _has_mask(document)):
            return EMPTY_ANSWER
        return document | {"model_version": self._version}

    def _predict(self, task: Task) -> dict[str, Any] | None:
        """Predict one task; a failure is reported, so that the others are answered."""
        try:
            return self._predictor.predict(
                task,
                self._config,
                SegmentAll(),
                self._settings,
                priority=Priority.WARM if self._is_single else Priority.BULK,
                deadline=self._deadline,
            )
        except ClientDisconnected:
            raise
        except BackendError as error:
            if self._deadline.has_passed:
                self.late.append(task)
            else:
                self._report_problem(f"Task {task.task_id} is skipped: {error}")
            return None


def _has_mask(document: dict[str, Any]) -> bool:
    return any(kind_of_region(result) in SHAPES for result in document["result"])
