"""What a run asks of each task: from the options and the project, checked before and after the models are loaded."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from backend.bulk import Outcome
from backend.errors import BadConfig
from backend.label_studio.api import PredictionClient, ProjectInfo
from backend.label_studio.config import ConfigLimits, LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, FromBoxes, SegmentAll
from backend.predict import BulkRequest, TaskPredictor, build_version
from backend.projects import ProjectSettings
from scripts.preannotating.boxes import Boxes, check_box_options, collect_boxes
from scripts.preannotating.checks import check_can_name, check_knows_labels, check_options, read_project_settings
from scripts.preannotating.class_options import check_classes_are_known, choose_options
from scripts.preannotating.dry_run import check_dry_run
from scripts.preannotating.masks import override
from scripts.preannotating.running import check_runner_options
from scripts.preannotating.text_options import check_request, read_request


@dataclass(frozen=True)
class CheckedProject:
    """A project for which the options make sense.

    Attributes:
        config: Its labeling config, parsed within `limits`.
        settings: Its settings, which change the answers of the models.
        boxes: The boxes that become masks; None if the masks come from elsewhere.
    """

    id: str
    title: str
    label_config: str
    config: LabelingConfig
    limits: ConfigLimits
    settings: ProjectSettings
    boxes: Boxes | None

    @property
    def boxed_tasks(self) -> Collection[int] | None:
        """Ids of the tasks that have boxes; None if boxes are not asked for."""
        return self.boxes.plan.tasks if self.boxes else None


@dataclass(frozen=True)
class RunPlan:
    """What is asked of every task of a project, and the version that its predictions get.

    Attributes:
        models: Names the weights that answer.
    """

    project: CheckedProject
    request: BulkRequest
    models: str

    @property
    def version(self) -> str:
        return self._version_with(self.project.config)

    def describe(self) -> dict[str, Any]:
        """Describe the run by values that can be compared with those of another run."""
        config, request = self.project.config, self.request
        texts: dict[str, Any] = {"texts": list(request.texts)} if isinstance(request, FindText) else {}
        if isinstance(request, FindText) and request.from_labels:
            texts = {"text_from_labels": True}
        choices = [control for image in config.images for control in image.region_choices]
        if isinstance(request, FromBoxes):
            options: dict[str, Any] = {"boxes": dict(request.source)}
        else:
            options = asdict(request.options) if request.options else {}
        review = {"review": True} if request.review else {}
        return {
            "models": self.models,
            "labels": [label.name for image in config.images for label in image.answer_classes],
            "choices": [label.name for control in choices for label in control.labels],
            **texts,
            **review,
            **options,
            **self.project.settings.changed(),
        }

    def hides_others(self, outcome: Outcome) -> bool:
        """Whether a prediction without a mask would hide earlier ones: Label Studio shows the newest."""
        is_empty = outcome.prediction is not None and not outcome.prediction["result"]
        return isinstance(self.request, FindText | FromBoxes) and bool(outcome.task.get("has_others")) and is_empty

    def check_same_version(self, label_config: str) -> None:
        """Raise BadConfig if the project's labeling config has become one whose predictions have another version."""
        now = self._version_with(parse_labeling_config(label_config, self.project.limits))
        if now != self.version:
            message = (
                f"The labeling config of project {self.project.id} changed during the run, for which the version is "
                f"{now} now."
            )
            remedy = "Run the same command again; it predicts with the labels that are there now."
            raise BadConfig(message, remedy=remedy)

    def _version_with(self, config: LabelingConfig) -> str:
        return build_version(self.models, config, self.request, self.project.settings)


def check_together(arguments: argparse.Namespace) -> None:
    """Raise BadSettings for options that do not go together, RayUnavailable if Ray is asked for and not there."""
    check_dry_run(arguments)
    check_runner_options(arguments)
    check_box_options(arguments)


def check_project(
    arguments: argparse.Namespace, client: PredictionClient, info: ProjectInfo, limits: ConfigLimits
) -> CheckedProject:
    """Check all that can be checked without the models, and read the boxes.

    Raises:
        BadSettings, BadPrompt: Options contradict each other or the project.
        BadConfig, BadProjectSettings: The labeling config or a setting of the project is invalid.
        BadDataSet: There are no boxes, or their labels are not in the labeling config.
        LabelStudioError: Label Studio refused, or the project has no such tab.
    """
    project_id, config = str(arguments.project), parse_labeling_config(info.label_config, limits)
    check_options(arguments, config, client, project_id)
    settings = read_project_settings(client, project_id, info.label_config, limits)
    boxes = collect_boxes(arguments, client, project_id, config) if arguments.from_boxes else None
    return CheckedProject(project_id, info.title, info.label_config, config, limits, settings, boxes)


def plan_run(arguments: argparse.Namespace, project: CheckedProject, predictor: TaskPredictor) -> RunPlan:
    """Plan a run with the loaded models; raises BadSettings or BadPrompt if they cannot answer what is asked."""
    request = project.boxes.request if project.boxes else _build_request(arguments, predictor, project.config)
    return RunPlan(project, request, predictor.version_for(request))


def _build_request(arguments: argparse.Namespace, predictor: TaskPredictor, config: LabelingConfig) -> BulkRequest:
    search = read_request(arguments)
    if search is None or not check_request(search, predictor.labeler, config):
        check_can_name(predictor.labeler.can_classify, config)
        check_knows_labels(predictor.labeler, config)
    proposal = choose_options(override(predictor.default_proposal(), arguments), arguments)
    check_classes_are_known(proposal, predictor.labeler)
    return replace(search or SegmentAll(), options=proposal, review=arguments.review)
