"""What docs/annotating.md says of the page is so; its pictures are this test's screenshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.site import keypoint
from scripts.demo_circle.targets import Target
from tests.e2e.objects import AUTO_BOX, AUTO_CLICK, BOX_KEYS, KEYS, corners, largest_targets
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-000.png"


@pytest.fixture
def project(site: Site) -> Project:
    """A project of this test's own, with one scene; the title is seen in the pictures."""
    return site.scene_project("Coloured shapes", SCENE)


def find_ambiguous(site: Site) -> tuple[Project, Target]:
    """The first object that SAM has more than one candidate for, asking the backend without the page."""
    for project, target in site.objects_of_new_projects("Candidates"):
        points = [keypoint(target.x + 0.5, target.y + 0.5, (640, 480), target.colour) for _ in range(2)]
        once, twice = site.ask(project, target.scene, points[:1]), site.ask(project, target.scene, points)
        if mask_iou(once, twice) < 0.95:
            return project, target
    raise AssertionError("the demo SAM is sure of every object in 60 scenes")


def click(page: LabelingPage, target: Target, key: str = "") -> None:
    """Pick the target's label and click in the middle of it."""
    page.pick(key or KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)


def test_a_label_is_dropped_after_each_click_unless_it_is_kept(
    page: LabelingPage, project: Project, site: Site
) -> None:
    first, second = largest_targets(SCENE, 2)
    page.start(project.number, project.tasks[SCENE])
    page.screenshot("guide-1-start")
    page.pick(AUTO_CLICK, "KeyPointTool")
    page.screenshot("guide-2-label-first")
    page.click(first.x + 0.5, first.y + 0.5)
    (mask,) = page.wait_for_answer().masks
    assert page.shown.picked_labels() == []
    page.screenshot("guide-3-suggested")
    page.accept()
    page.shown.select_region(mask)
    page.wait("the class", lambda: page.shown.choice("class") == first.class_name)
    page.screenshot("guide-4-accepted")

    page.unselect()
    page.keep_label_selected()
    click(page, second, AUTO_CLICK)
    page.wait_for_answer()
    assert page.shown.picked_labels() == ["AUTO"]


def test_what_was_not_accepted_is_lost_when_it_is_submitted(page: LabelingPage, project: Project, site: Site) -> None:
    (target,) = largest_targets(SCENE, 1)
    page.start(project.number, project.tasks[SCENE])
    click(page, target)
    page.wait_for_answer()
    page.submit()
    saved = site.annotation(project.tasks[SCENE])
    assert [one["type"] for one in saved if one["type"] != "choices"] == ["keypointlabels"]


def test_auto_accept_makes_a_region_of_every_click(page: LabelingPage, project: Project, site: Site) -> None:
    targets = largest_targets(SCENE, 2)
    page.start(project.number, project.tasks[SCENE])
    page.switch_on("auto-accept")
    page.screenshot("guide-5-auto-accept")
    for number, target in enumerate(targets, start=1):
        click(page, target)
        page.wait("a finished region", lambda number=number: len(page.shown.mask_ids()) == number)
        assert not page.has_suggestion()
    page.switch_on("auto-accept", False)
    page.submit()
    regions = parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)
    assert [region.label for region in regions] == [target.colour for target in targets]


def test_a_second_click_at_the_same_place_shows_another_candidate(page: LabelingPage, site: Site) -> None:
    project, target = find_ambiguous(site)
    page.start(project.number, project.tasks[target.scene])
    answers = []
    for is_second in (False, True):
        page.pick(KEYS[target.colour], "KeyPointTool")
        page.click(target.x + 0.5, target.y + 0.5, ctrl=is_second)  # without Control it selects the first point
        answers.append(page.wait_for_answer())
        page.screenshot(f"guide-6-candidate-{len(answers)}")
    first, second = (answer.masks for answer in answers)
    assert len(answers[1].prompts) == 2
    assert list(first.values()) != list(second.values())


def test_several_boxes_become_several_masks(page: LabelingPage, project: Project, site: Site) -> None:
    targets = largest_targets(SCENE, 3)[1:]  # whose boxes do not overlap: a drag in a box would move it
    page.start(project.number, project.tasks[SCENE])
    for count, target in enumerate(targets, start=1):
        page.pick(AUTO_BOX, "RectangleTool")
        page.drag(*corners(target.mask))
        assert len(page.wait_for_answer().masks) == count
    page.screenshot("guide-7-two-boxes")
    page.accept()
    page.submit()
    regions = parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)
    assert len(regions) == 2
    for target in targets:
        assert max(mask_iou(region.mask, target.mask) for region in regions) >= 0.6


def test_a_negative_point_cuts_something_out_of_a_box_once_the_page_is_saved(
    page: LabelingPage, project: Project, site: Site
) -> None:
    (target,) = largest_targets(SCENE, 1)
    page.start(project.number, project.tasks[SCENE])
    page.pick(BOX_KEYS[target.colour], "RectangleTool")
    page.drag(*corners(target.mask))
    boxed = page.wait_for_answer()
    site.wait_for_draft(project.tasks[SCENE], boxed.prompts[0]["id"])
    page.pick(KEYS[target.colour], "KeyPointTool")
    left, top = corners(target.mask)[0]
    page.click(left + 6, top + 6, alt=True, ctrl=True)
    together = page.wait_for_answer()
    assert [prompt["type"] for prompt in together.prompts] == ["keypointlabels"]
    assert not together.errors and together.masks, "a negative point alone would have been refused"
    (region,) = parse_regions(together.results, CONFIG)
    assert mask_iou(region.mask, target.mask) >= 0.6
    page.screenshot("guide-8-box-and-negative")


def test_a_refused_click_shows_nothing_and_the_status_page_says_why(
    page: LabelingPage, project: Project, site: Site
) -> None:
    (target,) = largest_targets(SCENE, 1)
    page.start(project.number, project.tasks[SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5, alt=True)
    refused = page.wait_for_answer()
    assert refused.errors and not refused.results
    assert not page.has_suggestion()
    page.screenshot("guide-9-nothing-came")
    page.look_at(site.backend_url_with_login())
    assert "The negative point does not lie on a mask" in page.text()
    page.screenshot("guide-9-status-page")
