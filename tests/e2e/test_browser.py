"""A person at the labeling page: a box, clicks, accept, submit; what was saved is what is in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.saved_regions import parse_regions
from backend.values import Mask, Region
from scripts.demo_circle.circle import mask_iou, mask_to_box
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.stage import Opened
from scripts.demo_circle.targets import Target, click_scenes, find_targets

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

KEYS = dict(zip(("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"), "12345678", strict=True))
AUTO_CLICK, AUTO_BOX = "9", "g"
SCENE = "scene-000.png"


def largest_targets(scene: str, count: int) -> list[Target]:
    targets = find_targets({scene: click_scenes(8)[scene]})
    return sorted(targets, key=lambda target: -int(target.mask.sum()))[:count]


def saved_regions(opened: Opened, task: int) -> list[Region]:
    (annotation,) = opened.site.task(task)["annotations"]
    config = parse_labeling_config((ROOT / "label_config.xml").read_text(encoding="utf-8"))
    return parse_regions(annotation["result"], config)


def best_match(regions: list[Region], mask: Mask) -> tuple[Region, float]:
    return max(((region, mask_iou(region.mask, mask)) for region in regions), key=lambda pair: pair[1])


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_a_box_and_clicks_become_saved_masks_with_their_classes(page: LabelingPage, opened: Opened) -> None:
    boxed, *clicked = largest_targets(SCENE, 4)
    task = opened.site.tasks_by_name(opened.click_project)[SCENE]
    page.open_task(opened.click_project, task)
    page.switch_on_auto_annotation()

    left, top, right, bottom = mask_to_box(boxed.mask)
    page.pick(AUTO_BOX, "RectangleTool")
    page.drag((left, top), (right, bottom))
    page.wait_for_suggestion()
    page.screenshot("1-box")
    page.accept()

    for number, target in enumerate(clicked, start=2):
        page.pick(AUTO_CLICK if number == 2 else KEYS[target.colour], "KeyPointTool")
        page.click(target.x + 0.5, target.y + 0.5)
        page.wait_for_suggestion()
        page.screenshot(f"{number}-click")
        page.accept()
    page.select_last_region()
    assert page.shown_class() == clicked[-1].class_name
    page.screenshot("5-accepted")
    assert [kind for kind, _ in page.regions()] == ["brushregion"] * 4
    page.submit()
    page.screenshot("6-submitted")

    regions = saved_regions(opened, task)
    assert len(regions) == 4
    found = [best_match(regions, target.mask) for target in (boxed, *clicked)]
    ious = [iou for _, iou in found]
    assert np.mean(ious) >= 0.85 and min(ious) >= 0.6, ious
    for target, (region, _) in zip((boxed, *clicked), found, strict=True):
        assert (region.label, region.choices["class"]) == (target.colour, (target.class_name,))
