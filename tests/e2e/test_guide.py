"""What docs/annotating.md says of a mask's way from the click to Submit is so; its pictures are these screenshots.

Everything is done with the mouse and the keyboard, in the order of the guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.keys import Keys

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.targets import Target
from tests.e2e.objects import KEYS, NO_LABEL, largest_targets
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.data_manager import DataManager
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-000.png"
STREAM = (SCENE, "scene-001.png", "scene-003.png", "scene-004.png", "scene-005.png")


@pytest.fixture
def project(site: Site) -> Project:
    """A project of this test's own; the title is seen in the pictures."""
    return site.scene_project("Coloured shapes", *STREAM)


@pytest.fixture
def manager(page: LabelingPage, project: Project) -> DataManager:
    """The project's table of tasks, loaded."""
    from tests.e2e.data_manager import DataManager

    manager = DataManager(page, project.number)
    manager.open()
    return manager


def take_first_steps(page: LabelingPage) -> None:
    """The section "Once in each browser"."""
    page.flip("auto-annotation")
    page.take_smart_tool("KeyPointTool")


def target_of(page: LabelingPage, project: Project) -> Target:
    """The largest object of the task on the page."""
    (scene,) = (name for name, task in project.tasks.items() if task == page.task())
    return largest_targets(scene, 1)[0]


def click(page: LabelingPage, target: Target) -> None:
    """Click in the middle of an object."""
    page.click(target.x + 0.5, target.y + 0.5)


def click_and_accept(page: LabelingPage, target: Target) -> str:
    """Click and press the tick below the picture; returns the mask's id."""
    click(page, target)
    (mask,) = page.wait_for_answer().masks
    page.accept()
    return mask


def check_saved(site: Site, project: Project, target: Target, label: str) -> None:
    """The submitted annotation is one mask of the object, with its class, and nothing that a click left behind."""
    saved = site.annotation(project.tasks[target.scene])
    assert {result["type"] for result in saved} <= {"brush", "labels", "choices", "textarea"}
    (region,) = parse_regions(saved, CONFIG)
    assert (region.label, region.choices["class"]) == (label, (target.class_name,))
    assert mask_iou(region.mask, target.mask) >= 0.6


@pytest.mark.parametrize("keep", [False, True], ids=["label not kept", "label kept"])
@pytest.mark.parametrize("picked", [NO_LABEL, "pink"], ids=["no label", "a label"])
def test_four_tasks_in_a_row_get_a_mask_each_in_label_all_tasks(
    page: LabelingPage, manager: DataManager, project: Project, site: Site, picked: str, keep: bool
) -> None:
    manager.label_all()
    if keep:
        page.keep_label_selected()
    take_first_steps(page)
    done = []
    for _ in range(4):
        target = target_of(page, project)
        if picked:
            page.press(KEYS[picked])
        click_and_accept(page, target)
        page.submit_and_go_on()
        assert page.smart_tool_in_hand() == "KeyPointTool"
        assert page.shown.picked_labels() == []
        done.append(target)
    assert len({target.scene for target in done}) == 4
    for target in done:
        check_saved(site, project, target, picked or target.colour)


def test_four_tasks_in_a_row_get_a_mask_each_from_the_data_manager(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    done = []
    for row in range(4):
        manager.open_row(row)
        if row == 0:
            take_first_steps(page)
        target = target_of(page, project)
        click_and_accept(page, target)
        page.submit()
        done.append(target)
    assert len({target.scene for target in done}) == 4
    for target in done:
        check_saved(site, project, target, target.colour)


def test_the_switch_and_the_tool_are_remembered_when_the_page_is_loaded_again(
    page: LabelingPage, manager: DataManager, project: Project
) -> None:
    manager.label_all()
    page.screenshot("guide-0-new")
    take_first_steps(page)
    page.click_beside_labels()  # the button's tip goes
    page.screenshot("guide-1-first-steps")
    manager.open()
    manager.open_row(1)
    page.wait("the switch, on", lambda: page.is_on("auto-annotation"))
    assert page.smart_tool_in_hand() == "KeyPointTool"


def test_a_click_on_the_picture_before_the_tool_is_taken_paints_a_dot(
    page: LabelingPage, manager: DataManager, project: Project
) -> None:
    manager.label_all()
    page.flip("auto-annotation")
    click(page, target_of(page, project))
    page.wait("a painted dot", lambda: page.shown.regions() == [("brushregion", [])])
    page.press("z", Keys.CONTROL)
    page.wait("the dot to go", lambda: page.shown.regions() == [])


def test_a_mask_is_suggested_then_accepted_and_shows_its_class_when_it_is_clicked(
    page: LabelingPage, manager: DataManager, project: Project
) -> None:
    manager.label_all()
    take_first_steps(page)
    target = target_of(page, project)
    click(page, target)
    (mask,) = page.wait_for_answer().masks
    page.screenshot("guide-2-suggested")
    page.accept()
    assert page.shown.regions() == [("brushregion", [target.colour])]
    click(page, target)
    page.wait("the selected mask", lambda: page.shown.selected_ids() == [mask])
    assert page.shown.choice("class") == target.class_name
    page.screenshot("guide-3-accepted")

    page.press(KEYS["yellow"])
    page.wait("another label", lambda: page.shown.regions() == [("brushregion", ["yellow"])])
    page.press(Keys.ESCAPE)
    page.wait("no selection", lambda: page.shown.selected_ids() == [])
    page.press(KEYS["red"])
    page.wait("a label for the next click", lambda: page.shown.picked_labels() == ["red"])
    assert page.shown.regions() == [("brushregion", ["yellow"])]


@pytest.mark.parametrize("keep", [False, True], ids=["label not kept", "label kept"])
def test_a_label_stays_picked_until_its_key_is_pressed_again_or_the_task_is_submitted(
    page: LabelingPage, manager: DataManager, project: Project, keep: bool
) -> None:
    manager.label_all()
    if keep:
        page.keep_label_selected()
    take_first_steps(page)
    first, second = largest_targets(SCENE, 2)
    page.press(KEYS["cyan"])
    click_and_accept(page, first)
    assert page.shown.picked_labels() == ["cyan"]
    assert page.shown.regions() == [("brushregion", ["cyan"])]
    page.press(KEYS["cyan"])
    page.wait("no label", lambda: page.shown.picked_labels() == [])
    click_and_accept(page, second)
    assert page.shown.regions() == [("brushregion", ["cyan"]), ("brushregion", [second.colour])]

    page.press(KEYS["cyan"])
    page.submit_and_go_on()
    assert page.shown.picked_labels() == []


def test_the_escape_key_drops_the_label_that_is_picked(
    page: LabelingPage, manager: DataManager, project: Project
) -> None:
    manager.label_all()
    take_first_steps(page)
    page.press(KEYS["cyan"])
    page.wait("the label", lambda: page.shown.picked_labels() == ["cyan"])
    page.press(Keys.ESCAPE)
    page.wait("no label", lambda: page.shown.picked_labels() == [])


def test_another_label_before_the_tick_becomes_the_label_of_the_mask(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    manager.label_all()
    take_first_steps(page)
    target = target_of(page, project)
    click(page, target)
    page.wait_for_answer()
    page.press(KEYS["orange"])
    page.accept()
    assert page.shown.regions() == [("brushregion", ["orange"])]
    page.submit_and_go_on()
    check_saved(site, project, target, "orange")


def test_keys_go_to_a_switch_until_something_else_is_clicked(
    page: LabelingPage, manager: DataManager, project: Project
) -> None:
    manager.label_all()
    page.flip("auto-annotation")
    page.press(KEYS["red"])
    page.press("m")
    assert page.shown.picked_labels() == [] and page.smart_tool_in_hand() == ""
    page.click_beside_labels()
    page.press(KEYS["red"])
    page.wait("a label", lambda: page.shown.picked_labels() == ["red"])


def test_the_key_m_takes_the_rectangle_from_the_second_task_on(
    page: LabelingPage, manager: DataManager, project: Project
) -> None:
    manager.label_all()
    take_first_steps(page)
    click_and_accept(page, target_of(page, project))
    page.submit_and_go_on()
    page.press("m")
    page.wait("the smart rectangle", lambda: page.smart_tool_in_hand() == "RectangleTool")
    page.press("m")
    assert page.smart_tool_in_hand() == "RectangleTool"


def test_control_and_enter_submit(page: LabelingPage, manager: DataManager, project: Project, site: Site) -> None:
    manager.label_all()
    take_first_steps(page)
    target = target_of(page, project)
    click_and_accept(page, target)
    page.submit_and_go_on(Keys.CONTROL, Keys.ENTER)
    check_saved(site, project, target, target.colour)


def test_what_was_not_accepted_is_lost_when_it_is_submitted(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    manager.label_all()
    take_first_steps(page)
    target = target_of(page, project)
    click(page, target)
    page.wait_for_answer()
    page.submit_and_go_on()
    saved = site.annotation(project.tasks[target.scene])
    assert parse_regions(saved, CONFIG) == []
    assert [result["type"] for result in saved if result["type"] in ("brush", "keypoint")] == ["keypoint"]


def test_auto_accept_makes_a_region_of_every_click(
    page: LabelingPage, manager: DataManager, project: Project, site: Site
) -> None:
    manager.label_all()
    take_first_steps(page)
    page.flip("auto-accept")
    targets = largest_targets(SCENE, 2)
    for number, target in enumerate(targets, start=1):
        click(page, target)
        page.wait("a finished region", lambda number=number: len(page.shown.mask_ids()) == number)
        assert not page.has_suggestion()
    page.submit_and_go_on()
    regions = parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)
    assert [region.label for region in regions] == [target.colour for target in targets]
