"""Several boxes were drawn; Alt+clicks before the tick change their masks and take none away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from tests.e2e.objects import corners, largest_targets
from tests.e2e.site import LABEL_CONFIG, Site
from tests.e2e.test_correcting import deep_point_away_from

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-000.png"


def test_background_clicks_before_the_tick_leave_the_masks_of_the_other_boxes(page: LabelingPage, site: Site) -> None:
    """The last one misses all masks and is refused."""
    targets = largest_targets(SCENE, 3)[1:]
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

    page.click(*points[0], alt=True, ctrl=True)
    page.wait_for_answer()
    assert page.shown.suggested_masks().keys() == {first, second}
    page.click(*points[1], alt=True, ctrl=True)
    page.wait_for_answer()
    assert page.shown.suggested_masks().keys() == {first, second}
    page.screenshot("several-masks-0-two-corrected")
    suggested = page.shown.suggested_masks()
    page.click(590.5, 60.5, alt=True)  # plain background
    page.wait_for_answer()
    page.wait("the reason", lambda: "mask here to take a part from" in page.shown.message())
    assert page.shown.suggested_masks() == suggested
    page.accept()
    assert page.shown.regions() == [("brushregion", [target.colour]) for target in targets]
    page.submit()
    saved = {region.region_id: region.mask for region in parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)}
    assert saved.keys() == before.keys()
    for (region, mask), (x, y), target in zip(before.items(), points, targets, strict=True):
        assert mask[int(y), int(x)] and not saved[region][int(y), int(x)]
        assert mask_iou(saved[region], target.mask) >= 0.5
