"""What README's moving picture shows, done with mouse and keys: a click, Alt+click, the tick, and a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backend.geometry import mask_iou
from scripts.demo_circle.targets import Target, click_scene, encode_png, find_targets
from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.site import Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE_NUMBER, TEXT = 16, "the yellow ring"
WINDOW = 1150, 985
READ_MILLISECONDS = 2300
SWITCH = '[data-testid="bottombar-auto-annotation-toggle"]'
TICK = '[data-testid="bottombar-accept-suggestions-button"]'
FIELD = '[data-testid=textarea-input][name="find"]'
SMART_BUTTON = "button.lsf-tool_smart"
_PLACE = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
    return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)];"""

_TOP = """const hasText = one => [...one.childNodes].some(child => child.nodeType === 3 && child.data === 'red');
    return Math.min(...[...document.querySelectorAll('body *')].filter(one => one.checkVisibility() && hasText(one))
    .map(one => one.getBoundingClientRect().top));"""


@pytest.mark.timeout(900)
def test_a_click_an_alt_click_and_a_text_give_the_masks_that_the_picture_shows(page: LabelingPage, site: Site) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    from tests.e2e.looking import count_shown_text
    from tests.e2e.recording import Recording

    name, scene = click_scene(SCENE_NUMBER)
    targets = find_targets({name: scene})
    other, crescent = sorted((one for one in targets if one.class_name == "pink crescent"), key=lambda one: one.x)
    (ring,) = (one for one in targets if one.class_name == "yellow ring")
    project = site.make_project("Coloured shapes", {name: encode_png(scene)})
    driver: Any = page._driver
    page.resize(*WINDOW)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    page.start(project.number, project.tasks[name])
    page.take_smart_tool("KeyPointTool")
    recording = Recording(page, SCREENSHOTS / "animation")

    def place_of(selector: str) -> tuple[int, int]:
        x, y = driver.execute_script(_PLACE, selector)
        return x, y

    def rest(place: tuple[int, int]) -> None:
        chain = ActionChains(driver)
        chain.w3c_actions.pointer_action.move_to_location(*place)
        chain.perform()
        page.wait("the tooltip to go", lambda: not count_shown_text(driver, "Auto-Detect"))

    def iou(mask_id: str, target: Target) -> float:
        drawn, in_view = page.shown.drawn_mask(mask_id)
        return mask_iou(drawn, target.mask & in_view)

    page.wait("all of the picture in view", page._fit_in)
    caption = "Click an object …"
    rest(place_of(SWITCH))  # the button's tooltip goes
    recording.add(caption, place_of(SWITCH), 1000)
    here = page.shown.place(crescent.x, crescent.y)
    page.click(crescent.x + 0.5, crescent.y + 0.5)
    ((first, _),) = page.wait_for_answer().masks.items()
    caption = "Click an object: its mask appears, its class above. Here it spills over to the left."
    recording.add(caption, here, READ_MILLISECONDS, is_pressed=True)
    before = iou(first, crescent)
    spilt = page.shown.drawn_mask(first)[0] & other.mask
    assert spilt.sum() > 500, "there is nothing to take away: choose a scene in which the first click takes too much"

    there = page.shown.place(292, 342)
    page.click(292.5, 342.5, alt=True)
    ((second, _),) = page.wait_for_answer().masks.items()
    caption = "Alt+click takes a part away."
    recording.add(caption, there, READ_MILLISECONDS, held_key="Alt", is_pressed=True)
    assert iou(second, crescent) > max(before, 0.9)

    tick = place_of(TICK)
    page.accept()
    caption = "The green tick accepts the mask, with the label and the class that CLIP chose."
    recording.add(caption, tick, READ_MILLISECONDS, is_pressed=True)
    assert page.shown.regions() == [("brushregion", ["pink"])]

    field = place_of(FIELD)
    page._click_element(FIELD)
    caption = "Or type what you look for …"
    recording.add(caption, field, 500, is_pressed=True)
    for begin in range(0, len(TEXT), 3):
        page.press(TEXT[begin : begin + 3])
        recording.add(caption, field, 150)
    page.press("\n")
    ((third, _),) = page.wait_for_answer().masks.items()
    recording.add("Or type what you look for, and press Enter.", field, READ_MILLISECONDS)
    assert iou(third, ring) > 0.9
    tick = place_of(TICK)
    page.accept()
    recording.add("Accept, submit, next picture.", tick, 2 * READ_MILLISECONDS, is_pressed=True)
    assert page.shown.regions() == [("brushregion", ["pink"]), ("brushregion", ["yellow"])]
    left, _ = page.shown.place(0, 0)
    top = driver.execute_script(_TOP)
    recording.save((left - 14, round(top) - 16, place_of(SMART_BUTTON)[0] + 38, place_of(SWITCH)[1] + 30))
