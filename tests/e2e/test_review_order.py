"""A project that was pre-annotated with --review is given out from the least trusted task up, by both of Label
Studio's ways: uncertainty sampling, and the table of tasks in the order of the prediction score."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from label_studio_sdk import LabelStudio

from backend.label_studio.api import PredictionClient
from scripts.demo_circle import commands
from scripts.demo_circle.stage import Opened, Stage
from scripts.demo_circle.targets import click_scenes, encode_png
from tests.e2e.site import LABEL_CONFIG
from tests.fakes import png

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(600)
SCENES = ("scene-000.png", "scene-001.png", "scene-003.png")
EMPTY = "empty.png"


@dataclass(frozen=True)
class ReviewedProject:
    """A project and the scores of its tasks."""

    number: int
    version: str
    scores: Mapping[int, float]
    empty: int

    @property
    def least_trusted_first(self) -> list[int]:
        return sorted(self.scores, key=lambda task: self.scores[task])


@pytest.fixture(scope="module")
def project(opened: Opened, stage: Stage) -> ReviewedProject:
    """Three scenes and an image without objects. The most trusted task has a bad prediction by another model, too."""
    images = {name: encode_png(scene) for name, scene in click_scenes(4).items() if name in SCENES}
    number = opened.site.create_project("Review order", LABEL_CONFIG, "")
    tasks = opened.site.upload_images(number, {**images, EMPTY: png(640, 480)})
    commands.preannotate(number, stage.command_environment(opened.token), "--review", quiet=True)
    predictions = {task: opened.site.task(task)["predictions"] for task in tasks.values()}
    assert [len(of_task) for of_task in predictions.values()] == [1] * len(tasks)
    scores = {task: prediction["score"] for task, (prediction,) in predictions.items()}
    version = str(predictions[tasks[EMPTY]][0]["model_version"])
    reviewed = ReviewedProject(number, version, scores, tasks[EMPTY])
    other = {"task": reviewed.least_trusted_first[-1], "result": [], "score": 0.0, "model_version": "other"}
    stored = PredictionClient(opened.site.url, opened.token).import_documents(str(number), [json.dumps(other).encode()])
    assert stored == 1
    client = LabelStudio(base_url=opened.site.url, api_key=opened.token)  # as docs/reviewing.md has it
    client.projects.update(number, sampling="Uncertainty sampling", model_version=version)
    return reviewed


def test_the_score_of_a_task_is_the_lowest_of_its_masks_and_0_where_nothing_was_found(
    opened: Opened, project: ReviewedProject
) -> None:
    assert project.scores[project.empty] == 0
    for task in project.scores.keys() - {project.empty}:
        reviewed = next(p for p in opened.site.task(task)["predictions"] if p["model_version"] == project.version)
        masks = [result["score"] for result in reviewed["result"] if result["type"].startswith("brush")]
        assert len(masks) >= 2 and reviewed["score"] == pytest.approx(min(masks), abs=1e-6)


def test_the_table_in_the_order_of_the_score_begins_with_the_least_trusted_task(
    page: LabelingPage, project: ReviewedProject
) -> None:
    from tests.e2e.data_manager import DataManager

    manager = DataManager(page, project.number)
    manager.open()
    manager.show_column("Prediction score")
    manager.order_by("Prediction score")
    page.wait("the order", lambda: manager.tasks() == project.least_trusted_first)
    shown = [float(score) for score in manager.column("Prediction score")]
    assert shown == pytest.approx(sorted(project.scores.values()), abs=0.005)
    manager.wait_for_pictures()
    page.screenshot("review-order-1-table")
    manager.label_as_displayed()
    assert page.task() == project.least_trusted_first[0]
    page.screenshot("review-order-2-first")


def test_uncertainty_sampling_gives_out_the_least_trusted_task_that_is_not_done(
    opened: Opened, project: ReviewedProject
) -> None:
    given = []
    for _ in project.scores:
        given.append(opened.site.next_task(project.number))
        opened.site.annotate(given[-1], [])
    assert given == project.least_trusted_first != sorted(project.scores)
