"""SamClipModel: the same hall for hosts that are built on label-studio-ml, its 1.0.9 on PyPI and its 2.x line.

Prefer `backend.wsgi` where you may choose: label-studio-ml's own server keeps one model for all projects and answers
errors with tracebacks. With 1.0.9 that one model knows the labeling config of the project that was set up last; a
prompt whose control or label is not in it is refused here rather than answered with another project's labels.
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
from backend.settings import Settings
from backend.wiring import build_predictor


class SamClipModel(LabelStudioMLBase):
    """Answers prompts with masks and classes.

    The weights are loaded at the first prediction and shared by all instances, for label-studio-ml makes a new instance
    at every `/setup`.
    """

    _predictor: TaskPredictor | None = None
    _loading = threading.Lock()

    @classmethod
    def predictor(cls) -> TaskPredictor:
        """The one predictor of this process, built from the environment when it is first asked for."""
        with SamClipModel._loading:
            if SamClipModel._predictor is None:
                SamClipModel._predictor = build_predictor(Settings.from_environment())
            return SamClipModel._predictor

    def predict(
        self, tasks: Sequence[Mapping[str, Any]], context: Mapping[str, Any] | None = None, **_: Any
    ) -> list[Any]:
        """Predictions for tasks, in Label Studio's JSON, an empty list for a task there is nothing to say about.

        Args:
            tasks: As Label Studio sends them.
            context: `{"result": [prompts]}` of the one task a person clicked on.

        Raises:
            BackendError: As `TaskPredictor.predict`.
        """
        config = parse_labeling_config(self.label_config)
        settings = check_setup(self.label_config, getattr(self, "extra_params", None))[1]
        prompts = (context or {}).get("result")
        predictor = self.predictor()
        parsed: list[tuple[Task, Request | None]]
        if prompts:
            parsed = [parse_prompted_task(task, config, prompts, settings.text_prompt) for task in tasks]
        else:
            parsed = [(parse_task(task, config), ClassifyImage()) for task in tasks]
        return [
            (predictor.predict(task, config, request, settings) if request else None) or EMPTY_ANSWER
            for task, request in parsed
        ]

    def fit(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Nothing is trained here; hosts call it on every annotation."""
        return {}
