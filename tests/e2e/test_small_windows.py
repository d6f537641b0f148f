"""In a small window the picture is taller than the page: the message line stays in view while a person scrolls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scripts.demo_circle.places import ROOT
from tests.e2e.objects import largest_targets
from tests.e2e.site import LABEL_CONFIG, Site
from tests.e2e.test_report_page import MIN_CONTRAST, contrast, luminance

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
SCENE = "scene-000.png"
PHOTOGRAPHS = (ROOT / "docs" / "label_config_photos.xml").read_text(encoding="utf-8")
SMALL, LAPTOP, LARGE = (1280, 720), (1366, 768), (1920, 1080)
LINE, LABELS = ".message [data-testid=htx-textbox-content]", ".lsf-labels > *"
FIELD, TOOLS, SLIDER = ".find [data-testid=textarea-input]", ".lsf-toolbar__group > button", ".lsf-range > *"
_HIDDEN = """const isShown = one => { const box = one.getBoundingClientRect();
        const found = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        return !!found && one.contains(found); };
    const all = [...document.querySelectorAll(arguments[0])];
    if (!all.length) throw new Error(`no ${arguments[0]}`);
    return all.filter(one => !isShown(one)).length;"""
_COLOURS = """const box = document.querySelector(arguments[0]);
    return ['color', 'backgroundColor'].map(name => getComputedStyle(box)[name]);"""
_OVERFLOW = """const box = document.querySelector(arguments[0]);
    return box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;"""


def count_hidden(page: LabelingPage, selector: str) -> int:
    """How many of the elements are outside the window, or covered by something in their middle."""
    found: Any = page.driver.execute_script(_HIDDEN, selector)
    return int(found)


def open_scene(page: LabelingPage, site: Site, window: tuple[int, int], label_config: str = LABEL_CONFIG) -> None:
    project = site.scene_project("Small windows", SCENE, label_config=label_config)
    page.resize(*window)
    page.start(project.number, project.tasks[SCENE])
    page.take_smart_tool("KeyPointTool")
    page.wait("all of the picture in view", page._fit_in)


def click(page: LabelingPage, *, lowest: bool = True) -> None:
    """Click the object of which the middle lies lowest, or highest, in the picture."""
    by_height = sorted(largest_targets(SCENE, 3), key=lambda target: target.y)
    target = by_height[-1 if lowest else 0]
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    page.wait("a message", page.shown.message)


def press_theme_button(page: LabelingPage) -> None:
    """Press the button at the top of the page, which goes on from "Auto" to "Light" and "Dark"."""
    from tests.e2e.looking import find_shown, try_click

    try_click(find_shown(page.driver, "button[class*=themeToggle]"))


@pytest.mark.parametrize(
    ("window", "label_config"),
    [(SMALL, LABEL_CONFIG), (LAPTOP, LABEL_CONFIG), (LARGE, LABEL_CONFIG), (LAPTOP, PHOTOGRAPHS)],
    ids=["1280x720", "1366x768", "1920x1080", "photographs"],
)
def test_the_line_is_in_view_while_the_lower_end_of_the_picture_is_labeled(
    page: LabelingPage, site: Site, window: tuple[int, int], label_config: str
) -> None:
    open_scene(page, site, window, label_config)
    assert count_hidden(page, LABELS) == count_hidden(page, FIELD) == 0
    page.scroll_to_end()
    assert count_hidden(page, LABELS), "nothing was scrolled out of view, so this window says nothing"
    click(page)
    page.screenshot(f"small-window-{window[0]}-{'demo' if label_config == LABEL_CONFIG else 'photographs'}")
    assert count_hidden(page, LINE) == 0
    assert count_hidden(page, TOOLS) == 0
    page.scroll_to_end(up=True)
    assert count_hidden(page, LINE) == count_hidden(page, LABELS) == count_hidden(page, FIELD) == 0
    page.take_tool("brush-tool")
    page.scroll_to_end()
    page.wait("the brush's size", lambda: count_hidden(page, SLIDER) == 0)


def test_a_line_without_a_message_takes_nothing_from_the_picture(page: LabelingPage, site: Site) -> None:
    """A click where the line will be is a click on the picture."""
    open_scene(page, site, SMALL)
    page.scroll_to_end()
    left, top, width, height = page.driver.execute_script(
        "const box = document.querySelector('.message').getBoundingClientRect();"
        "return [box.left, box.top, box.width, box.height];"
    )
    page.click_in_window(left + width / 3, top + height / 2)
    answer = page.wait_for_answer()
    assert len(answer.points) == 1


def test_a_long_message_is_shown_whole_and_moves_nothing(page: LabelingPage, site: Site) -> None:
    open_scene(page, site, SMALL, PHOTOGRAPHS)
    before = page.shown.place(0, 0)
    click(page, lowest=False)
    assert len(page.shown.message()) > 100
    page.screenshot("small-window-long-message")
    assert page.shown.place(0, 0) == before
    assert not page.driver.execute_script(_OVERFLOW, LINE)
    assert count_hidden(page, LINE) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_line_can_be_read_above_the_picture(page: LabelingPage, site: Site, scheme: str) -> None:
    open_scene(page, site, SMALL)
    shown = "return document.documentElement.dataset.colorScheme === arguments[0]"
    page.wait("the scheme", lambda: page.driver.execute_script(shown, scheme) or press_theme_button(page))
    page.scroll_to_end()
    click(page)
    page.screenshot(f"small-window-{scheme}")
    text, background = page.driver.execute_script(_COLOURS, LINE)
    assert background.startswith("rgb(")  # opaque
    assert (luminance(background) > 0.5) == (scheme == "light")
    assert contrast(text, background) >= MIN_CONTRAST
