"""A person corrects a mask that was accepted: the answer takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Mask
from scripts.demo_circle.targets import Target
from tests.e2e.objects import KEYS, NO_LABEL, corners, find_target, largest_targets, middle
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE, PAINTED_SCENE = "scene-001.png", "scene-000.png"
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
pytestmark = pytest.mark.timeout(900)


def test_a_click_where_an_accepted_mask_misses_something_replaces_it(page: LabelingPage, site: Site) -> None:
    scene = "scene-008.png"
    target = find_target(scene, "green ring")  # of which the first answer leaves out a piece
    project = site.scene_project("Coloured shapes", scene)
    accept_click(page, project, target)
    (before,) = page.shown.mask_ids()
    site.wait_for_draft(project.tasks[scene], before)
    (old,) = site.draft_regions(project, scene)
    page.screenshot("correcting-0-misses-something")

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*middle(target.mask & ~old.mask))
    page.wait_for_answer()
    page.screenshot("correcting-1-suggested")
    page.accept()
    page.screenshot("correcting-2-accepted")
    assert page.shown.mask_ids() == [before]
    page.submit()
    (saved,) = parse_regions(
        site.annotation(project.tasks[scene]), parse_labeling_config(project.label_config).images[0]
    )
    assert saved.region_id == before
    assert mask_iou(saved.mask, target.mask) > mask_iou(old.mask, target.mask) + 0.02


def test_what_was_painted_and_erased_stays_when_a_click_corrects_the_mask_elsewhere(
    page: LabelingPage, site: Site
) -> None:
    """Label Studio saves strokes beside the mask that was accepted until the annotation is submitted."""
    target = find_target(PAINTED_SCENE, "pink ring")
    project = site.scene_project("Painted", PAINTED_SCENE)
    accept_click(page, project, target)
    (mask_id,) = page.shown.mask_ids()
    page.unselect()
    page.pick(NO_LABEL, "KeyPointTool")
    (left, top), _ = corners(target.mask)
    hole = middle(target.mask)
    page.take_tool("brush-tool")
    page.select_in_list(0)
    page.drag((left + 4, top + 4), (left + 14, top + 4))
    page.take_tool("eraser")
    page.drag((hole[0] - 5, hole[1]), (hole[0] + 5, hole[1]))

    def strokes() -> list[Any]:
        saved = [
            one for draft in site.label_studio.task(project.tasks[PAINTED_SCENE])["drafts"] for one in draft["result"]
        ]
        return [stroke for one in saved if one["type"] == "brush" for stroke in one["value"].get("touches", ())]

    page.wait("both strokes in the draft", lambda: len(strokes()) == 2)
    (painted,) = site.draft_regions(project, PAINTED_SCENE)
    drawn, _ = page.shown.drawn_mask(mask_id)
    assert mask_iou(painted.mask, drawn) > 0.97
    added, erased = (int(top) + 4, int(left) + 9), (int(hole[1]), int(hole[0]))
    assert painted.mask[added] and not painted.mask[erased]

    page.press(Keys.ESCAPE)
    page.take_smart_tool("KeyPointTool")
    click = deep_point_away_from(target.mask & painted.mask, *hole)  # on no stroke
    page.click(*click, alt=True, ctrl=True)
    page.wait_for_answer()
    page.screenshot("correcting-4-painted")
    page.accept()
    page.submit()
    (saved,) = parse_regions(site.annotation(project.tasks[PAINTED_SCENE]), CONFIG)
    assert saved.region_id == mask_id
    assert saved.mask[added] and not saved.mask[erased]
    assert not saved.mask[int(click[1]), int(click[0])]
    assert painted.painted is not None
    assert (saved.mask == painted.mask)[painted.painted].mean() > 0.99


def test_control_lets_points_through_to_an_accepted_mask(page: LabelingPage, site: Site) -> None:
    """Without the Control key a click inside a mask selects it and asks nothing."""
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Coloured shapes", SCENE)
    accept_click(page, project, target)
    (before,) = page.shown.mask_ids()
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait("the mask to be selected", lambda: page.shown.selected_ids() == [before])
    page.unselect()
    site.wait_for_draft(project.tasks[SCENE], before)

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*deep_point_away_from(target.mask, target.x, target.y), alt=True, ctrl=True)
    answer = page.wait_for_answer()
    assert [point["is_positive"] for point in answer.points] == [False]
    assert list(answer.masks) == [before]
    page.screenshot("correcting-3-negative-inside")


def accept_click(page: LabelingPage, project: Project, target: Target) -> None:
    """Open the target's task, click in its middle and accept what comes."""
    page.start(project.number, project.tasks[target.scene])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    page.accept()


def deep_point_away_from(mask: Mask, x: float, y: float) -> tuple[float, float]:
    """A pixel of the mask at least 4 pixels inside it, as far from a point as can be."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) >= 4
    ys, xs = inside.nonzero()
    farthest = ((xs - x) ** 2 + (ys - y) ** 2).argmax()
    return float(xs[farthest]) + 0.5, float(ys[farthest]) + 0.5


def test_in_an_annotation_that_is_opened_again_a_click_corrects_once_label_studio_has_saved_a_draft(
    page: LabelingPage, site: Site
) -> None:
    """A submitted annotation may be another person's, and Label Studio does not say who clicks."""
    project = site.scene_project("Correct an annotation again", PAINTED_SCENE)
    task, ring = project.tasks[PAINTED_SCENE], find_target(PAINTED_SCENE, "pink ring")
    accept_click(page, project, ring)
    (region,) = page.shown.mask_ids()
    page.submit()

    page.start(project.number, task)
    page.wait("the annotation", lambda: page.shown.mask_ids() == [region])
    page.pick(NO_LABEL, "KeyPointTool")
    page.click(ring.x + 0.5, ring.y + 0.5, alt=True, ctrl=True)
    page.wait("a refusal", lambda: "No mask here" in page.shown.message())
    site.wait_for_draft(task, region)
    page.click(ring.x + 2.5, ring.y + 0.5, alt=True, ctrl=True)
    page.wait_for_answer()
    assert list(page.shown.suggested_masks()) == [region]
    page.accept()
    assert page.shown.mask_ids() == [region]
