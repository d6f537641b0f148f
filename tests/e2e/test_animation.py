"""What README's moving picture shows, done with mouse and keys: a click, Alt+click, the tick, and a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backend.geometry import mask_iou
from scripts.demo_circle.targets import Target
from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.objects import find_target
from tests.e2e.site import Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE, TEXT = "scene-001.png", "the red ring"
WINDOW = {"width": 1150, "height": 1180, "deviceScaleFactor": 1, "mobile": False}
READ_MILLISECONDS = 2200
_PLACE = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
    return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)];"""


@pytest.mark.timeout(900)
def test_a_click_an_alt_click_and_a_text_give_the_masks_that_the_picture_shows(page: LabelingPage, site: Site) -> None:
    from tests.e2e.recording import Recording

    circle, ring, found = (find_target(SCENE, name) for name in ("green circle", "green ring", "red ring"))
    project = site.scene_project("Coloured shapes", SCENE)
    driver: Any = page._driver
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WINDOW)
    page.start(project.number, project.tasks[SCENE])
    page.take_smart_tool("KeyPointTool")
    recording = Recording(page, SCREENSHOTS / "animation")

    def place_of(selector: str) -> tuple[int, int]:
        x, y = driver.execute_script(_PLACE, selector)
        return x, y

    def iou(mask_id: str, target: Target) -> float:
        drawn, in_view = page.shown.drawn_mask(mask_id)
        return mask_iou(drawn, target.mask & in_view)

    recording.add("Click an object …", place_of('[data-testid="bottombar-auto-annotation-toggle"]'), 900)
    here = page.shown.place(circle.x, circle.y)
    page.click(circle.x + 0.5, circle.y + 0.5)
    ((first, _),) = page.wait_for_answer().masks.items()
    recording.add(
        "Click an object … and its mask appears. It took a second object, too.",
        here,
        READ_MILLISECONDS,
        is_pressed=True,
    )
    before = iou(first, circle)

    there = page.shown.place(ring.x, ring.y)
    page.click(ring.x + 0.5, ring.y + 0.5, alt=True)
    ((second, _),) = page.wait_for_answer().masks.items()
    caption = "Alt+click takes a part away."
    recording.add(caption, there, READ_MILLISECONDS, held_key="Alt", is_pressed=True)
    assert iou(second, circle) > max(before, 0.9)

    tick = place_of('[data-testid="bottombar-accept-suggestions-button"]')
    page.accept()
    recording.add(
        "The green tick accepts the mask. Its label and class were chosen by CLIP.",
        tick,
        READ_MILLISECONDS,
        is_pressed=True,
    )
    assert page.shown.regions() == [("brushregion", ["green"])]

    field = place_of('[data-testid=textarea-input][name="find"]')
    page._click_element('[data-testid=textarea-input][name="find"]')
    recording.add("Or type what you look for …", field, 400, is_pressed=True)
    for end in range(4, len(TEXT) + 4, 4):
        page.press(TEXT[end - 4 : end])
        recording.add("Or type what you look for …", field, 200)
    page.press("\n")
    ((third, _),) = page.wait_for_answer().masks.items()
    recording.add("Or type what you look for … and press Enter.", field, READ_MILLISECONDS)
    assert iou(third, found) > 0.9
    tick = place_of('[data-testid="bottombar-accept-suggestions-button"]')
    page.accept()
    recording.add("Accept, submit, next picture.", tick, 2 * READ_MILLISECONDS, is_pressed=True)
    assert page.shown.regions() == [("brushregion", ["green"]), ("brushregion", ["red"])]
    recording.save((0, 0, WINDOW["width"], WINDOW["height"]))
