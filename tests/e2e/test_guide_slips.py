"""What docs/annotating.md says of slips is so: a box without a drag, clicks that come too fast, a point left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.keys import Keys

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from tests.e2e.objects import largest_targets
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-000.png"
BACKGROUND = (590.5, 60.5)


@pytest.fixture
def project(site: Site) -> Project:
    """A project of this test's own, with one scene."""
    return site.scene_project("Slips", SCENE)


def start(page: LabelingPage, project: Project, tool: str) -> None:
    """Open the task, with Auto-Annotation on and a smart tool in hand."""
    page.start(project.number, project.tasks[SCENE])
    page.take_smart_tool(tool)


def test_a_box_clicked_without_a_drag_ends_with_the_next_click(page: LabelingPage, project: Project) -> None:
    """It follows the pointer until then."""
    (target,) = largest_targets(SCENE, 1)
    start(page, project, "RectangleTool")
    page.click(target.x - 20, target.y - 20)
    page.point_at(target.x + 20, target.y + 20)
    page.wait("a box that is drawn", page.shown.is_drawing)
    page.click(target.x + 40, target.y + 40)
    answer = page.wait_for_answer()
    assert [prompt["type"] for prompt in answer.prompts] == ["rectangle"]
    assert not page.shown.is_drawing()


def test_the_three_dots_are_dead_until_the_box_is_ended_with_the_rectangle_in_hand(
    page: LabelingPage, project: Project
) -> None:
    """Neither Esc nor Ctrl+Z nor the brush helps."""
    first, second = largest_targets(SCENE, 2)

    def click_second() -> None:
        page.click(second.x + 0.5, second.y + 0.5)

    start(page, project, "RectangleTool")
    page.click(first.x - 20, first.y - 20)
    page.point_at(first.x + 20, first.y + 20)
    page.wait("a box that is drawn", page.shown.is_drawing)
    page.take_smart_tool("KeyPointTool")
    click_second()
    page.press(Keys.ESCAPE)
    click_second()
    page.undo()
    page.take_tool("brush-tool")
    page.take_smart_tool("KeyPointTool")
    click_second()
    assert page.shown.is_drawing() and page.shown.regions() == []

    page.take_smart_tool("RectangleTool")
    page.click(first.x + 40, first.y + 40)
    page.wait_for_answer()
    page.reject()
    assert page.shown.regions() == []
    page.take_smart_tool("KeyPointTool")
    click_second()
    answer = page.wait_for_answer()
    assert len(answer.points) == 1 and answer.masks


def test_reloading_the_page_revives_the_three_dots(page: LabelingPage, project: Project) -> None:
    first, second = largest_targets(SCENE, 2)
    start(page, project, "RectangleTool")
    page.click(first.x - 20, first.y - 20)
    page.point_at(first.x + 20, first.y + 20)
    page.wait("a box that is drawn", page.shown.is_drawing)
    page.take_smart_tool("KeyPointTool")
    page.open_task(project.number, project.tasks[SCENE])
    page.wait("the smart tool", lambda: page.smart_tool_in_hand() == "KeyPointTool")
    page.click(second.x + 0.5, second.y + 0.5)
    assert page.wait_for_answer().masks


def test_clicks_on_several_objects_without_a_tick_between_become_one_mask(page: LabelingPage, project: Project) -> None:
    """Also when they come faster than the answers."""
    from tests.e2e.browser import read_exchanges

    targets = largest_targets(SCENE, 3)
    start(page, project, "KeyPointTool")
    page.wait("all of the picture in view", page._fit_in)
    places = [page.shown.place(target.x + 0.5, target.y + 0.5) for target in targets]
    for place in places:
        page.click_in_window(*place)
    page.wait("the last answer", lambda: len(read_exchanges(page.driver)[-1].points) == len(targets))
    answer = page.wait_for_answer()
    (region,) = parse_regions(answer.results, CONFIG)
    assert all(region.mask[int(target.y), int(target.x)] for target in targets)
    assert max(mask_iou(region.mask, target.mask) for target in targets) < 0.8


def test_the_point_of_a_click_on_nothing_goes_with_the_next_tick_and_is_saved_without_one(
    page: LabelingPage, project: Project, site: Site
) -> None:
    (target,) = largest_targets(SCENE, 1)
    start(page, project, "KeyPointTool")
    page.click(*BACKGROUND)
    page.wait_for_answer()
    page.click(target.x + 0.5, target.y + 0.5)
    assert page.wait_for_answer().masks
    page.accept()
    assert page.shown.regions() == [("brushregion", [target.colour])]
    page.click(*BACKGROUND)
    page.wait_for_answer()
    page.submit()
    saved = site.annotation(project.tasks[SCENE])
    assert [result["type"] for result in saved if result["type"] in ("brush", "keypoint")] == ["brush", "keypoint"]
    assert len(parse_regions(saved, CONFIG)) == 1
