"""Label Studio and the predictor as the commands see them, keeping what they are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from backend.errors import ImageUnavailable, LabelStudioError
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import Request, Task
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

    def __init__(self, broken: Sequence[int] = (), empty: Sequence[int] = (), interrupt_at: int | None = None) -> None:
        self.broken, self.empty, self.interrupt_at = broken, empty, interrupt_at
        self.asked: list[int | None] = []
        self.requests: list[tuple[Request, ProjectSettings, Priority]] = []

    def default_proposal(self) -> ProposalOptions:
        return PROPOSAL

    def predict(
        self, task: Task, config: LabelingConfig, request: Request, settings: ProjectSettings, *, priority: Priority
    ) -> Json | None:
        self.asked.append(task.task_id)
        self.requests.append((request, settings, priority))
        if task.task_id == self.interrupt_at:
            raise KeyboardInterrupt
        if task.task_id in self.broken:
            raise ImageUnavailable(f"{task.images[0].uri} is gone.", remedy="Upload it again.")
        if task.task_id in self.empty:
            return None
        return {"result": [MASK_RESULT], "score": 0.9, "model_version": self.model_version}


class FakeLabelStudio:
    """A project with tasks. A request that holds a prediction for a refused task is refused as a whole.

    `made_anyway`: those of a refused request that get their prediction all the same.
    """

    def __init__(self, tasks: Sequence[Json], refused: Sequence[int] = (), made_anyway: Sequence[int] = ()) -> None:
        self.tasks = list(tasks)
        self.refused, self.made_anyway = refused, made_anyway
        self.requests: list[list[int]] = []
        self.looked_up: list[list[int]] = []
        self.is_away = self.is_silent_on_predictions = False

    def iterate_tasks(self, project_id: str) -> Iterator[Json]:
        assert project_id == "3"
        return iter(self.tasks)

    def tasks_with_version(self, task_ids: Iterable[int], model_version: str) -> set[int]:
        asked = list(task_ids)
        self.looked_up.append(asked)
        if self.is_away or self.is_silent_on_predictions:
            raise LabelStudioError("Label Studio is away.", remedy="Start it.")
        return {
            task["id"]
            for task in self.tasks
            if task["id"] in self.looked_up[-1]
            and any(p["model_version"] == model_version for p in task["predictions"])
        }

    def create_predictions(self, project_id: str, predictions: list[Json]) -> int:
        if self.is_away:
            raise LabelStudioError("Label Studio is away.", remedy="Start it.")
        self.requests.append([prediction["task"] for prediction in predictions])
        bad = sorted(set(self.requests[-1]) & set(self.refused))
        by_id = {task["id"]: task for task in self.tasks}
        for prediction in predictions:
            if not bad or prediction["task"] in self.made_anyway:
                by_id[prediction["task"]]["predictions"].append(prediction)
        if bad:
            raise LabelStudioError(f"Task {bad[0]} does not exist.", remedy="Reload.")
        return len(predictions)


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
