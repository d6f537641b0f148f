"""What docs/reviewing.md says of pre-annotated projects is so; its pictures are this test's screenshots."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.keys import Keys

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle import commands
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.data_manager import DataManager
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENES = ("scene-000.png", "scene-001.png", "scene-003.png", "scene-004.png")


@pytest.fixture
def project(site: Site) -> Project:
    """A pre-annotated project."""
    project = site.scene_project("Pre-annotated shapes", *SCENES)
    commands.preannotate(project.number, site.command_environment(), quiet=True)
    return project


@pytest.fixture
def manager(page: LabelingPage, project: Project) -> DataManager:
    """The project's table of tasks, loaded."""
    from tests.e2e.data_manager import DataManager

    manager = DataManager(page, project.number)
    manager.open()
    return manager


def version_of(site: Site, project: Project) -> str:
    """The name of the predictions that the command made."""
    (prediction,) = site.label_studio.task(project.tasks[SCENES[0]])["predictions"]
    return str(prediction["model_version"])


def tasks_by_score(site: Site, project: Project) -> list[int]:
    """The project's tasks, the one whose masks have the lowest mean score first."""

    def score(task: int) -> float:
        (prediction,) = site.label_studio.task(task)["predictions"]
        scores = [result["score"] for result in prediction["result"] if result["type"] == "brush"]
        assert prediction["score"] == pytest.approx(mean(scores), abs=1e-6)
        return float(prediction["score"])

    return sorted(project.tasks.values(), key=score)


def test_label_all_tasks_shows_the_masks_after_the_run(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    manager.label_all()
    page.wait("the masks", lambda: page.shown.mask_ids())
    manager.open_settings(version_of(site, project))
    page.screenshot("reviewing-1-settings")


def test_what_the_project_shows_is_left_alone_on_demand_and_can_be_chosen_by_hand(
    page: LabelingPage, site: Site
) -> None:
    from tests.e2e.data_manager import DataManager

    project = site.scene_project("Shown on demand", SCENES[0])
    said = commands.preannotate(project.number, site.command_environment(), "--keep-shown-version", quiet=True)
    manager = DataManager(page, project.number)
    manager.open()
    manager.label_all()
    assert page.shown.mask_ids() == []
    version = version_of(site, project)
    assert version in said and "Annotators start" not in said
    manager.use_predictions(version)
    page.wait("the setting", lambda: site.label_studio.project(project.number)["model_version"] == version)
    manager.open()
    manager.label_all()
    page.wait("the masks", lambda: page.shown.mask_ids())


def test_tasks_are_reviewed_from_the_lowest_score_up(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    by_score = tasks_by_score(site, project)
    assert by_score != sorted(by_score), "this order would not show"
    manager.open()
    manager.show_column("Prediction score")
    manager.order_by("Prediction score")
    page.wait("the order", lambda: manager.tasks() == by_score)
    scores = [float(score) for score in manager.column("Prediction score")]
    assert scores == sorted(scores) and scores[0] > 0.5
    page.screenshot("reviewing-2-ordered")

    manager.label_as_displayed()
    assert page.task() == by_score[0]
    page.screenshot("reviewing-3-opened")
    before = page.shown.mask_ids()
    page.select_in_list(len(before) - 1)
    page.press(Keys.BACKSPACE)
    page.wait("one mask fewer", lambda: len(page.shown.mask_ids()) == len(before) - 1)
    page.submit_and_go_on()
    assert page.task() == by_score[1]
    assert len(parse_regions(site.annotation(by_score[0]), CONFIG)) == len(before) - 1


def test_an_alt_click_corrects_a_predicted_mask_at_once(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    from tests.e2e.objects import KEYS, find_target

    target = find_target(SCENES[0], "purple ellipse")
    page.start(project.number, project.tasks[SCENES[0]])
    page.take_smart_tool("KeyPointTool")
    page.wait("the masks", lambda: page.shown.mask_ids())
    before = page.shown.mask_ids()
    page.press(KEYS[target.colour])
    page.click(target.x + 10.5, target.y + 0.5, alt=True, ctrl=True)
    (corrected,) = page.wait_for_answer().masks
    assert corrected in before
    page.accept()
    assert sorted(page.shown.mask_ids()) == sorted(before)


def test_the_rest_is_accepted_in_bulk_and_what_was_reviewed_stays_as_it_is(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    by_score = tasks_by_score(site, project)
    manager.open()
    manager.order_by("Prediction score")
    page.wait("the order", lambda: manager.tasks() == by_score)
    manager.open_row(0)
    page.submit()
    manager.open()
    page.wait("the order", lambda: manager.tasks() == by_score)
    manager.accept_predictions(0, 2, 3)
    page.wait("the annotations", lambda: all(site.label_studio.task(by_score[row])["annotations"] for row in (2, 3)))
    manager.open()
    page.wait("the order", lambda: manager.tasks() == by_score)
    manager.wait_for_pictures()
    page.screenshot("reviewing-4-accepted")
    annotations = {task: site.label_studio.task(task)["annotations"] for task in by_score}
    assert [len(annotations[task]) for task in by_score] == [1, 0, 1, 1]
    for task in by_score[2:]:
        (prediction,) = site.label_studio.task(task)["predictions"]
        masks = [len(parse_regions(one["result"], CONFIG)) for one in (annotations[task][0], prediction)]
        assert masks[0] == masks[1] > 0
