"""Smaller things that docs/annotating.md says of keys and suggestions are so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from tests.e2e.objects import AUTO_CLICK, KEYS, find_target, largest_targets, middle
from tests.e2e.site import LABEL_CONFIG, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-008.png"


def test_the_key_takes_the_key_point_and_the_button_goes_on_to_the_next_tool(page: LabelingPage, site: Site) -> None:
    project = site.scene_project("Coloured shapes", SCENE)
    page.start(project.number, project.tasks[SCENE])
    for tool in ("KeyPointTool", "RectangleTool", "Rectangle3PointTool", "KeyPointTool", "RectangleTool"):
        page.press_smart_button()
        page.wait(f"the smart {tool}", lambda tool=tool: page.smart_tool_in_hand() == tool)
    page.press("m")
    page.wait("the smart key point", lambda: page.smart_tool_in_hand() == "KeyPointTool")


def test_a_second_click_adds_what_the_first_answer_misses(page: LabelingPage, site: Site) -> None:
    """Before anything is accepted, with the same label."""
    target = find_target(SCENE, "green ring")
    project = site.scene_project("Coloured shapes", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    (first,) = parse_regions(page.wait_for_answer().results, CONFIG)

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*middle(target.mask & ~first.mask))
    answer = page.wait_for_answer()
    (both,) = parse_regions(answer.results, CONFIG)
    assert [prompt["is_positive"] for prompt in answer.prompts] == [True, True]
    assert mask_iou(both.mask, target.mask) > mask_iou(first.mask, target.mask) + 0.02
    page.screenshot("details-1-added")


def test_the_red_cross_takes_the_mask_and_its_clicks_away(page: LabelingPage, site: Site) -> None:
    first, second = largest_targets("scene-000.png", 2)
    project = site.scene_project("Coloured shapes", first.scene)
    page.start(project.number, project.tasks[first.scene])
    page.pick(AUTO_CLICK, "KeyPointTool")
    page.click(first.x + 0.5, first.y + 0.5)
    page.wait_for_answer()
    page.reject()
    assert page.shown.regions() == []

    page.pick(AUTO_CLICK, "KeyPointTool")
    page.click(second.x + 0.5, second.y + 0.5)
    answer = page.wait_for_answer()
    assert len(answer.prompts) == 1, "the rejected click is asked again"


def test_a_label_that_is_kept_is_dropped_with_its_key(page: LabelingPage, site: Site) -> None:
    """It would be filed under the mask as well that is accepted while it is picked."""
    (target,) = largest_targets("scene-000.png", 1)
    project = site.scene_project("Coloured shapes", target.scene)
    page.start(project.number, project.tasks[target.scene])
    page.keep_label_selected()
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    assert page.shown.picked_labels() == [target.colour]
    page.press(KEYS[target.colour])
    page.wait("no picked label", lambda: page.shown.picked_labels() == [])
    page.accept()
    page.submit()
    saved = site.annotation(project.tasks[target.scene])
    assert {result["type"] for result in saved} <= {"brushlabels", "choices"}
