"""SamClipModel: the backend for servers built on label-studio-ml, both 1.0.9 from PyPI and the 2.x line.

Prefer `backend.wsgi` if you can choose: label-studio-ml's own server keeps one model for all projects and replies to
errors with tracebacks. With 1.0.9 that model has the labeling config of the project that was set up last. A prompt
whose control or label is not in it is refused here, not answered with another project's labels.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.errors import BackendError
from backend.label_studio.config import LabelingConfig, MessageLine, find_message_line, parse_labeling_config
from backend.label_studio.requests import ClassifyImage, parse_prompted_task, parse_task
from backend.label_studio.results import EMPTY_ANSWER, add_message, join_remedy
from backend.predict import TaskAnswer, TaskPredictor, document_to_keep
from backend.projects import ProjectSettings, check_setup
from backend.safe_text import register_secrets
from backend.settings import Settings
from backend.wiring import build_limits, build_predictor

log = logging.getLogger(__name__)


class SamClipModel(LabelStudioMLBase):
    """Model of label-studio-ml that predicts masks and classes from prompts.

    The weights are loaded with the first prediction and shared by all instances, because label-studio-ml creates a new
    instance at every `/setup`.
    """

    _predictor: TaskPredictor | None = None
    _loading = threading.Lock()

    @classmethod
    def predictor(cls) -> TaskPredictor:
        """Return the predictor of this process, which is built from the environment on first use."""
        with SamClipModel._loading:
            if SamClipModel._predictor is None:
                settings = Settings.from_environment()
                register_secrets(settings.secrets)
                SamClipModel._predictor = build_predictor(settings)
            return SamClipModel._predictor

    def predict(
        self, tasks: Sequence[Mapping[str, Any]], context: Mapping[str, Any] | None = None, **_: Any
    ) -> list[Any]:
        """Return one prediction per task in Label Studio's JSON; an empty list for a task without a result.

        Args:
            tasks: As Label Studio sends them.
            context: `{"result": [prompts]}` for the one task that a person clicked on.

        Raises:
            BackendError: As `TaskPredictor.predict`.
        """
        limits = build_limits(Settings.from_environment())
        config = parse_labeling_config(self.label_config, limits.config)
        settings = check_setup(self.label_config, getattr(self, "extra_params", None), limits.config)[1]
        prompts = (context or {}).get("result")
        predictor = self.predictor()
        if not prompts:
            parsed = [parse_task(task, config) for task in tasks]
            return [predictor.predict(task, config, ClassifyImage(), settings) or EMPTY_ANSWER for task in parsed]
        images = frozenset(str(prompt.get("to_name")) for prompt in prompts if isinstance(prompt, Mapping))
        line = find_message_line(config, settings.messages, images)
        return [_answer(predictor, task, config, prompts, settings, limits.max_prompts, line) for task in tasks]

    def fit(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Do nothing, because there is no training. label-studio-ml calls it for every annotation."""
        return {}


def _answer(
    predictor: TaskPredictor,
    document: Mapping[str, Any],
    config: LabelingConfig,
    prompts: Sequence[Mapping[str, Any]],
    settings: ProjectSettings,
    max_prompts: int,
    line: MessageLine | None,
) -> Any:
    """Answer prompts on one task; a refusal is shown in the page's message line if it has one."""
    try:
        task, request = parse_prompted_task(
            document, config, prompts, settings.text_prompt, messages=settings.messages, max_prompts=max_prompts
        )
        answer = predictor.answer(task, config, request, settings) if request else TaskAnswer()
    except BackendError as error:
        if line is None:
            raise
        log.warning("%s", error)
        return add_message(
            document_to_keep(error), line, join_remedy(error.message, error.remedy), predictor.model_version
        )
    if line is None or request is None:
        return answer.document or EMPTY_ANSWER
    return add_message(answer.document, line, answer.message, predictor.model_version)
