"""A person corrects a mask that was accepted: the answer takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Mask
from scripts.demo_circle.targets import Target
from tests.e2e.objects import KEYS, find_target, largest_targets, middle
from tests.e2e.site import Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-001.png"
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
