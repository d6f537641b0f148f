"""SamClipModel: the backend for servers built on label-studio-ml, both 1.0.9 from PyPI and the 2.x line.

Prefer `backend.wsgi` if you can choose: label-studio-ml's own server keeps one model for all projects and replies to
errors with tracebacks. With 1.0.9 that model has the labeling config of the project that was set up last. A prompt
whose control or label is not in it is refused here, not answered with another project's labels.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import ClassifyImage, Request, Task, parse_prompted_task, parse_task
from backend.label_studio.results import EMPTY_ANSWER
from backend.predict import TaskPredictor
from backend.projects import check_setup
from backend.safe_text import register_secrets
from backend.settings import Settings
from backend.wiring import build_limits, build_predictor


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
        parsed: list[tuple[Task, Request | None]]
        if prompts:
            parsed = [
                parse_prompted_task(task, config, prompts, settings.text_prompt, max_prompts=limits.max_prompts)
                for task in tasks
            ]
        else:
            parsed = [(parse_task(task, config), ClassifyImage()) for task in tasks]
        return [
            (predictor.predict(task, config, request, settings) if request else None) or EMPTY_ANSWER
            for task, request in parsed
        ]

    def fit(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Do nothing, because there is no training. label-studio-ml calls it for every annotation."""
        return {}
