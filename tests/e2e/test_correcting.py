"""A person corrects a mask that was accepted: the answer takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from backend.clicks import distance_of_points
from backend.values import Mask, Prompt
from tests.e2e.objects import KEYS, largest_targets
from tests.e2e.site import Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-001.png"
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_a_click_beside_an_accepted_mask_replaces_it(page: LabelingPage, site: Site) -> None:
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Coloured shapes", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    page.accept()
    before = page.shown.mask_ids()
    site.wait_for_draft(project.tasks[SCENE], before[0])

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*point_beside(target.mask))
    page.wait_for_answer()
    page.screenshot("correcting-1-suggested")
    page.accept()
    page.screenshot("correcting-2-accepted")
    assert page.shown.mask_ids() == before
    page.submit()
    saved = site.annotation(project.tasks[SCENE])
    assert [result["id"] for result in saved if result["type"] == "brushlabels"] == before


def test_control_lets_points_through_to_an_accepted_mask(page: LabelingPage, site: Site) -> None:
    """Without the Control key a click inside a mask selects it and asks nothing."""
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Coloured shapes", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    page.accept()
    (before,) = page.shown.mask_ids()
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait("the mask to be selected", lambda: page.shown.selected_ids() == [before])
    page.unselect()
    site.wait_for_draft(project.tasks[SCENE], before)

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*deep_point_away_from(target.mask, target.x, target.y), alt=True, ctrl=True)
    answer = page.wait_for_answer()
    assert [prompt["is_positive"] for prompt in answer.prompts] == [False]
    assert list(answer.masks) == [before]
    page.screenshot("correcting-3-negative-inside")


def deep_point_away_from(mask: Mask, x: float, y: float) -> tuple[float, float]:
    """A pixel of the mask at least 4 pixels inside it, as far from a point as can be."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) >= 4
    ys, xs = inside.nonzero()
    farthest = ((xs - x) ** 2 + (ys - y) ** 2).argmax()
    return float(xs[farthest]) + 0.5, float(ys[farthest]) + 0.5


def point_beside(mask: Mask) -> tuple[float, float]:
    """A pixel outside a mask that counts as beside it: left of its leftmost pixel, well inside the reach."""
    ys, xs = mask.nonzero()
    leftmost = xs.argmin()
    for gap in (8, 6, 4, 3):
        x, y = float(xs[leftmost] - gap) + 0.5, float(ys[leftmost]) + 0.5
        if x > 0 and distance_of_points(Prompt(((x, y),), (1,)), mask) < float("inf"):
            return x, y
    raise AssertionError("the target touches the left border")
