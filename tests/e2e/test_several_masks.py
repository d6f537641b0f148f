"""Several boxes were drawn; clicks before the tick change their masks, add others and take none away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from tests.e2e.objects import corners, largest_targets, middle
from tests.e2e.site import LABEL_CONFIG, Site
from tests.e2e.test_correcting import deep_point_away_from

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-000.png"
BACKGROUND = (590.5, 60.5)


def test_clicks_before_the_tick_leave_the_masks_of_boxes(page: LabelingPage, site: Site) -> None:
    """Two clicks on nothing are refused; their points stay and do not count."""
    largest, *targets = largest_targets(SCENE, 3)
    project = site.scene_project("Several boxes", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.take_smart_tool("RectangleTool")
    for target in targets:
        page.drag(*corners(target.mask))
        boxed = page.wait_for_answer()
    before = {region.region_id: region.mask for region in parse_regions(boxed.results, CONFIG)}
    first, second = before
    page.take_smart_tool("KeyPointTool")
    points = [
        deep_point_away_from(before[one], target.x, target.y) for one, target in zip(before, targets, strict=True)
    ]

    boxes = page.shown.suggested_masks()
    page.click(*BACKGROUND)
    page.wait_for_answer()
    page.wait("the reason", lambda: "No object here" in page.shown.message())
    assert page.shown.suggested_masks() == boxes and boxes.keys() == {first, second}
    page.screenshot("several-masks-1-refused")
    page.click(*points[0], alt=True, ctrl=True)
    page.wait_for_answer()
    assert page.shown.suggested_masks().keys() == {first, second}
    page.click(*points[1], alt=True, ctrl=True)
    page.wait_for_answer()
    assert page.shown.suggested_masks().keys() == {first, second}
    page.screenshot("several-masks-0-two-corrected")
    suggested = page.shown.suggested_masks()
    page.click(*BACKGROUND, alt=True, ctrl=True)  # on the point there
    page.wait_for_answer()
    page.wait("the reason", lambda: "mask here to take a part from" in page.shown.message())
    assert page.shown.suggested_masks() == suggested
    page.click(*middle(largest.mask))
    page.wait_for_answer()
    assert page.shown.suggested_masks().keys() > {first, second}
    page.screenshot("several-masks-2-added")
    page.accept()
    assert sorted(page.shown.regions()) == sorted(("brushregion", [target.colour]) for target in (largest, *targets))
    page.submit()
    saved = {region.region_id: region.mask for region in parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)}
    (added,) = saved.keys() - before.keys()
    assert saved.keys() > before.keys() and mask_iou(saved[added], largest.mask) >= 0.8
    for (region, mask), (x, y), target in zip(before.items(), points, targets, strict=True):
        assert mask[int(y), int(x)] and not saved[region][int(y), int(x)]
        assert mask_iou(saved[region], target.mask) >= 0.5
