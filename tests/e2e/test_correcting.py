"""A person corrects a mask that was accepted: the answer takes its place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from backend.clicks import distance_of_points
from backend.values import Prompt
from scripts.demo_circle.stage import Opened
from tests.e2e.test_browser import KEYS, largest_targets, saved_regions

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-001.png"
DRAFT_SECONDS = 30


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_a_click_beside_an_accepted_mask_replaces_it(page: LabelingPage, opened: Opened) -> None:
    (target,) = largest_targets(SCENE, 1)
    task = opened.site.tasks_by_name(opened.click_project)[SCENE]
    page.open_task(opened.click_project, task)
    page.switch_on_auto_annotation()
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_suggestion()
    page.accept()
    before = page.region_ids()
    wait_for_draft(opened, task, before)

    x, y = point_beside(target.mask)
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(x, y)
    page.wait_for_suggestion()
    page.screenshot("correcting-1-suggested")
    page.accept()
    page.screenshot("correcting-2-accepted")
    assert page.region_ids() == before
    page.submit()
    (region,) = saved_regions(opened, task)
    assert region.region_id in before[0]


def wait_for_draft(opened: Opened, task: int, region_ids: list[str]) -> None:
    """Until Label Studio has saved the page, which the backend reads the accepted mask from."""
    end = time.monotonic() + DRAFT_SECONDS
    while time.monotonic() < end:
        drafts = opened.site.task(task).get("drafts") or []
        saved = {result.get("id") for draft in drafts for result in draft["result"]}
        if saved & {region_id.partition("#")[0] for region_id in region_ids}:
            return
        time.sleep(0.5)
    raise AssertionError(f"no draft with {region_ids} came in {DRAFT_SECONDS} s")


def point_beside(mask) -> tuple[float, float]:
    """A pixel outside a mask that counts as beside it: left of its leftmost pixel, well inside the reach."""
    ys, xs = mask.nonzero()
    leftmost = xs.argmin()
    for gap in (8, 6, 4, 3):
        x, y = float(xs[leftmost] - gap) + 0.5, float(ys[leftmost]) + 0.5
        if x > 0 and distance_of_points(Prompt(((x, y),), (1,)), mask) < float("inf"):
            return x, y
    raise AssertionError("the target touches the left border")
