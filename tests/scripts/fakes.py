"""The predictor as the commands see it, keeping what it is given, and tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backend.errors import ImageUnavailable
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import Request, Task, parse_task
from backend.projects import ProjectSettings
from backend.values import Priority, ProposalOptions

Json = dict[str, Any]

CONFIG_XML = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="mask" toName="image"><Label value="red"/><Label value="green"/><Label value="AUTO"/></BrushLabels>
  <Choices name="class" toName="image" perRegion="true"><Choice value="red ring"/><Choice value="green ring"/></Choices>
  <Choices name="scene" toName="image"><Choice value="wood"/><Choice value="sand"/></Choices>
</View>
"""
PROPOSAL = ProposalOptions(16, 0.5, 0.5, 20, 0.7)
MASK_RESULT = {"type": "brushlabels", "value": {"format": "rle", "rle": [0], "brushlabels": ["red"]}}


class FakePredictor:
    """Answers one mask a task; `broken` tasks raise, `empty` ones have nothing to say."""

    model_version = "demo-1234"

    def __init__(self, broken: Sequence[int] = (), empty: Sequence[int] = ()) -> None:
        self.broken, self.empty = broken, empty
        self.asked: list[int | None] = []
        self.requests: list[tuple[Request, ProjectSettings, Priority]] = []

    def default_proposal(self) -> ProposalOptions:
        return PROPOSAL

    def version_for(self, request: Request) -> str:
        return self.model_version

    def predict(
        self, task: Task, config: LabelingConfig, request: Request, settings: ProjectSettings, *, priority: Priority
    ) -> Json | None:
        self.asked.append(task.task_id)
        self.requests.append((request, settings, priority))
        if task.task_id in self.broken:
            raise ImageUnavailable(f"{task.images[0].uri} is gone.", remedy="Upload it again.")
        if task.task_id in self.empty:
            return None
        return {"result": [MASK_RESULT], "score": 0.9, "model_version": self.model_version}

    def stages(
        self,
        config: LabelingConfig,
        request: Request,
        settings: ProjectSettings,
        *,
        project_id: str,
        uses_cache: bool,
        note: Callable[[str], None],
    ) -> FakeStages:
        return FakeStages(self, config, request, settings, project_id)


class FakeStages:
    """Steps of which only the first and the last do something."""

    def __init__(
        self,
        predictor: FakePredictor,
        config: LabelingConfig,
        request: Request,
        settings: ProjectSettings,
        project_id: str,
    ) -> None:
        self._predictor, self._project_id = predictor, project_id
        self._config, self._request, self._settings = config, request, settings

    def fetch(self, document: Json) -> Task:
        return parse_task(document, self._config, project_id=self._project_id)

    def decode(self, task: Task) -> Task:
        return task

    encode = segment = crop = decode

    def classify(self, tasks: Sequence[Task]) -> list[Task]:
        return list(tasks)

    def build(self, task: Task) -> Json:
        predicted = self._predictor.predict(task, self._config, self._request, self._settings, priority=Priority.BULK)
        return predicted or {"result": [], "score": None}


def make_tasks(count: int) -> list[Json]:
    """Tasks 1 to `count` without a prediction; each has a person's annotation."""
    return [
        {
            "id": number,
            "data": {"image": f"/data/upload/3/0123abcd-{number}.png"},
            "predictions": [],
            "annotations": [{"id": 900 + number, "result": []}],
        }
        for number in range(1, count + 1)
    ]
