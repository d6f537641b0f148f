"""What docs/annotating.md says of corrections, boxes, texts, undo, a Mac's keys and silence is so."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.places import LOOPBACK
from scripts.demo_circle.site import keypoint
from scripts.demo_circle.targets import Target
from tests.e2e.objects import KEYS, corners, find_target, largest_targets, middle
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCENE = "scene-000.png"


@pytest.fixture
def project(site: Site) -> Project:
    """A project of this test's own, with one scene; the title is seen in the pictures."""
    return site.scene_project("Coloured shapes", SCENE)


def start(page: LabelingPage, project: Project, scene: str = SCENE, tool: str = "KeyPointTool") -> None:
    """Open a task, with Auto-Annotation on and a smart tool in hand."""
    page.start(project.number, project.tasks[scene])
    page.take_smart_tool(tool)


def click(page: LabelingPage, target: Target) -> None:
    """Click in the middle of an object."""
    page.click(target.x + 0.5, target.y + 0.5)


def find_ambiguous(site: Site) -> tuple[Project, Target]:
    """The first object that SAM has more than one candidate for, asking the backend without the page."""
    for project, target in site.objects_of_new_projects("Candidates"):
        point = keypoint(target.x + 0.5, target.y + 0.5, (640, 480), target.colour)
        again = keypoint(target.x + 0.5, target.y + 0.5, (640, 480), target.colour)
        once, twice = site.ask(project, target.scene, point), site.ask(project, target.scene, [*point, *again])
        if mask_iou(once, twice) < 0.95:
            return project, target
    raise AssertionError("the demo SAM is sure of every object in 60 scenes")


def test_the_small_buttons_in_the_picture_leave_the_point_behind(
    page: LabelingPage, project: Project, site: Site
) -> None:
    """The tick and the cross below the picture do not. A point that was left behind goes with Backspace."""
    first, _, second = largest_targets(SCENE, 3)  # the second one lies so low that its buttons are out of sight
    start(page, project)
    click(page, first)
    page.wait_for_answer()
    page.click_suggestion_button(accept=True)
    page.wait("the mask", lambda: page.shown.mask_ids())
    assert page.shown.regions() == [("keypointregion", []), ("brushregion", [first.colour])]
    page.select_in_list(0)
    page.press(Keys.BACKSPACE)
    page.wait("the point to go", lambda: page.shown.regions() == [("brushregion", [first.colour])])

    click(page, second)
    page.wait_for_answer()
    page.click_suggestion_button(accept=False)
    page.wait("the suggestion to go", lambda: not page.has_suggestion())
    page.submit()
    saved = site.annotation(project.tasks[SCENE])
    assert [result["type"] for result in saved if result["type"] in ("brush", "keypoint")] == ["brush", "keypoint"]


def test_undo_takes_the_point_away_and_leaves_the_mask_and_the_cross_takes_both(
    page: LabelingPage, project: Project
) -> None:
    first, second = largest_targets(SCENE, 2)
    start(page, project)
    click(page, first)
    page.wait_for_answer()
    page.press("z", Keys.CONTROL)
    page.wait("the point to go", lambda: page.shown.regions() == [])
    assert page.has_suggestion() and page.shown.suggested_masks()
    page.reject()
    assert page.shown.regions() == [] and not page.shown.suggested_masks()

    click(page, second)
    assert len(page.wait_for_answer().points) == 1, "the rejected click is asked again"


def test_undo_after_the_tick_takes_the_mask_and_redo_brings_it_back(page: LabelingPage, project: Project) -> None:
    (target,) = largest_targets(SCENE, 1)
    start(page, project)
    click(page, target)
    page.wait_for_answer()
    page.accept()
    masks = page.shown.mask_ids()
    assert masks
    page.press("z", Keys.CONTROL)
    page.wait("the mask to go", lambda: not page.shown.mask_ids())
    page.press("z", Keys.CONTROL, Keys.SHIFT)
    page.wait("the mask", lambda: page.shown.mask_ids() == masks)


def test_on_a_mac_command_stands_for_control(page: LabelingPage, project: Project, site: Site) -> None:
    page.pretend_mac()
    (target,) = largest_targets(SCENE, 1)
    start(page, project)
    click(page, target)
    page.wait_for_answer()
    page.press("z", Keys.CONTROL)
    assert page.shown.regions() == [("keypointregion", [])]
    page.press("z", Keys.COMMAND)
    page.wait("the point to go", lambda: page.shown.regions() == [])
    page.reject()

    click(page, target)
    (mask,) = page.wait_for_answer().masks
    page.accept()
    site.wait_for_draft(project.tasks[SCENE], mask)
    page.press(KEYS[target.colour])
    page.click(target.x + 0.5, target.y + 0.5, alt=True, command=True)
    answer = page.wait_for_answer()
    assert [point["is_positive"] for point in answer.points] == [False]
    assert list(answer.masks) == [mask]
    page.accept()
    page.press(Keys.ENTER, Keys.COMMAND)
    page.wait("the annotation", lambda: site.label_studio.task(project.tasks[SCENE])["annotations"])


def test_a_second_click_adds_what_the_first_answer_misses(page: LabelingPage, site: Site) -> None:
    """Before anything is accepted."""
    scene = "scene-008.png"
    target = find_target(scene, "green ring")
    project = site.scene_project("Coloured shapes", scene)
    start(page, project, scene)
    click(page, target)
    (first,) = parse_regions(page.wait_for_answer().results, CONFIG)
    page.click(*middle(target.mask & ~first.mask))
    answer = page.wait_for_answer()
    (both,) = parse_regions(answer.results, CONFIG)
    assert [point["is_positive"] for point in answer.points] == [True, True]
    assert mask_iou(both.mask, target.mask) > mask_iou(first.mask, target.mask) + 0.02


def test_a_second_click_at_the_same_place_shows_another_candidate(page: LabelingPage, site: Site) -> None:
    project, target = find_ambiguous(site)
    start(page, project, target.scene)
    answers = []
    for is_second in (False, True):
        page.click(target.x + 0.5, target.y + 0.5, ctrl=is_second)  # without Control it selects the first point
        answers.append(page.wait_for_answer())
        page.screenshot(f"details-candidate-{len(answers)}")
    first, second = (answer.masks for answer in answers)
    assert len(answers[1].points) == 2
    assert list(first.values()) != list(second.values())


def test_each_click_on_the_button_goes_on_to_the_next_smart_tool(page: LabelingPage, project: Project) -> None:
    start(page, project)
    for tool in ("RectangleTool", "Rectangle3PointTool", "KeyPointTool", "RectangleTool"):
        page.press_smart_button()
        page.wait(f"the smart {tool}", lambda tool=tool: page.smart_tool_in_hand() == tool)


def test_key_r_takes_the_rectangle_and_key_k_the_dots_while_the_button_shows_the_tool_before(
    page: LabelingPage, project: Project
) -> None:
    (target,) = largest_targets(SCENE, 1)
    start(page, project, tool="KeyPointTool")
    dots = page.smart_button()
    page.press("r")
    page.wait("the rectangle", lambda: page.smart_tool_in_hand() == "RectangleTool")
    page.screenshot("guide-9-key-r")
    assert page.smart_button() == dots
    page.drag(*corners(target.mask))
    assert [prompt["type"] for prompt in page.wait_for_answer().prompts] == ["rectangle"]
    page.reject()
    page.press("k")
    page.wait("the dots", lambda: page.smart_tool_in_hand() == "KeyPointTool")
    page.press_smart_button()
    page.wait("the rectangle", lambda: page.smart_tool_in_hand() == "RectangleTool")
    assert page.smart_button() != dots


def test_three_clicks_with_the_third_tool_draw_a_turned_box(page: LabelingPage, project: Project) -> None:
    """Two ends of a side, then a place on the side across."""
    (target,) = largest_targets(SCENE, 1)
    (left, top), (right, bottom) = corners(target.mask)
    x, y, half, turn = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2, np.radians(15)
    start(page, project, tool="Rectangle3PointTool")
    for across, down in ((-half, -half), (half, -half), (half, half)):
        page.click(x + across * np.cos(turn) - down * np.sin(turn), y + across * np.sin(turn) + down * np.cos(turn))
    answer = page.wait_for_answer()
    (box,) = answer.prompts
    assert box["type"] == "rectangle" and box["value"]["rotation"] == pytest.approx(15, abs=2)
    page.screenshot("guide-10-three-point-box")
    ((region, _),) = answer.masks.items()
    page.accept()
    assert mask_iou(page.shown.drawn_mask(region)[0], target.mask) >= 0.8


def test_several_boxes_become_several_masks(page: LabelingPage, project: Project, site: Site) -> None:
    targets = largest_targets(SCENE, 3)[1:]  # whose boxes do not overlap: a drag in a box would move it
    start(page, project, tool="RectangleTool")
    for count, target in enumerate(targets, start=1):
        page.drag(*corners(target.mask))
        assert len(page.wait_for_answer().masks) == count
    page.screenshot("guide-4-two-boxes")
    page.accept()
    page.submit()
    regions = parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)
    assert sorted(region.label for region in regions) == sorted(target.colour for target in targets)
    for target in targets:
        assert max(mask_iou(region.mask, target.mask) for region in regions) >= 0.6


def test_a_negative_point_cuts_something_out_of_a_box_once_the_page_is_saved(
    page: LabelingPage, project: Project, site: Site
) -> None:
    (target,) = largest_targets(SCENE, 1)
    start(page, project, tool="RectangleTool")
    page.drag(*corners(target.mask))
    boxed = page.wait_for_answer()
    site.wait_for_draft(project.tasks[SCENE], boxed.prompts[0]["id"])
    page.take_smart_tool("KeyPointTool")
    left, top = corners(target.mask)[0]
    page.click(left + 6, top + 6, alt=True, ctrl=True)
    together = page.wait_for_answer()
    assert [point["is_positive"] for point in together.points] == [False]
    assert not together.errors and together.masks, "a negative point alone would have been refused"
    (region,) = parse_regions(together.results, CONFIG)
    assert mask_iou(region.mask, target.mask) >= 0.6


def test_the_brush_adds_to_the_selected_mask_and_the_eraser_takes_away(page: LabelingPage, project: Project) -> None:
    """The pink button, once, gives the three dots back."""
    target = find_target(SCENE, "pink ring")
    start(page, project)
    click(page, target)
    (mask,) = page.wait_for_answer().masks
    page.accept()
    x, y = middle(target.mask)
    page.take_tool("brush-tool")
    page.select_in_list(0)
    first, _ = page.shown.drawn_mask(mask)
    left, top = corners(target.mask)[0]
    page.drag((left + 4, top + 4), (left + 14, top + 4))
    page.wait("a larger mask", lambda: page.shown.drawn_mask(mask)[0][int(top) + 4, int(left) + 9])
    page.take_tool("eraser")
    page.drag((x - 5, y), (x + 5, y))
    page.wait("a hole", lambda: not page.shown.drawn_mask(mask)[0][int(y), int(x)])
    assert first[int(y), int(x)] and not first[int(top) + 4, int(left) + 9]
    page.press(Keys.ESCAPE)
    page.press_smart_button()
    page.wait("the smart key point", lambda: page.smart_tool_in_hand() == "KeyPointTool")


def test_keys_go_to_the_text_field_until_something_else_is_clicked(page: LabelingPage, project: Project) -> None:
    start(page, project)
    page.enter_text("all rings")
    assert len(page.wait_for_answer().masks) == 2
    page.screenshot("guide-5-text")
    page.press(KEYS["red"])
    assert page.shown.picked_labels() == []
    page.press(Keys.BACKSPACE)
    page.accept()
    page.press(KEYS["red"])
    page.wait("a label", lambda: page.shown.picked_labels() == ["red"])
    assert [kind for kind, _ in page.shown.regions()] == ["brushregion"] * 2


def test_a_plain_click_in_a_mask_asks_nothing_and_with_a_selected_mask_control_only_unselects_it(
    page: LabelingPage, project: Project
) -> None:
    (target,) = largest_targets(SCENE, 1)
    start(page, project)
    click(page, target)
    (mask,) = page.wait_for_answer().masks
    page.accept()
    click(page, target)
    page.wait("the selected mask", lambda: page.shown.selected_ids() == [mask])
    page.click(target.x + 3.5, target.y + 0.5, ctrl=True)
    page.wait("no selection", lambda: page.shown.selected_ids() == [])
    assert page.shown.regions() == [("brushregion", [target.colour])], "the click became a point"
    page.click(target.x + 3.5, target.y + 0.5, ctrl=True)
    assert len(page.wait_for_answer().points) == 1


def test_a_refused_click_is_explained_above_the_picture_and_on_the_status_page(
    page: LabelingPage, project: Project, site: Site
) -> None:
    (target,) = largest_targets(SCENE, 1)
    start(page, project)
    page.click(target.x + 0.5, target.y + 0.5, alt=True)
    assert not page.wait_for_answer().masks
    assert not page.has_suggestion()
    assert [kind for kind, _ in page.shown.regions()] == ["keypointregion"]
    page.wait("the reason", lambda: "Click the object first" in page.shown.message())
    page.screenshot("guide-6-message")
    page.press("z", Keys.CONTROL)
    page.wait("the point to go", lambda: page.shown.regions() == [])
    click(page, target)
    page.wait_for_answer()
    page.wait("the class instead of the reason", lambda: target.class_name in page.shown.message())
    page.look_at(site.backend_url_with_login())
    assert "Click the object first" in page.text()


def test_a_click_on_nothing_is_answered_in_words(page: LabelingPage, project: Project) -> None:
    start(page, project)
    page.click(590.5, 60.5)  # plain background
    assert not page.wait_for_answer().masks
    page.wait("the reason", lambda: "No object here" in page.shown.message())


def test_a_box_on_nothing_is_answered_in_words_and_costs_no_other_box_its_mask(
    page: LabelingPage, project: Project
) -> None:
    target = largest_targets(SCENE, 3)[2]
    start(page, project, tool="RectangleTool")
    page.drag((560.5, 20.5), (620.5, 70.5))  # plain background
    assert not page.wait_for_answer().masks
    reason = "No object here. Draw the box closely around an object, or click it. Ctrl+Z takes the box back."
    page.wait("the reason", lambda: page.shown.message() == reason)
    assert not page.has_suggestion()
    page.screenshot("guide-7-box-on-nothing")
    page.drag(*corners(target.mask))
    assert len(page.wait_for_answer().masks) == 1
    page.wait("the count", lambda: page.shown.message().endswith(" No object in 1 of 2 places."))
    page.screenshot("guide-8-one-of-two-boxes")
    page.accept()
    assert page.shown.regions() == [("brushregion", [target.colour])], "the box on nothing stayed"

    page.drag((560.5, 20.5), (620.5, 70.5))
    assert not page.wait_for_answer().masks
    page.press("z", Keys.CONTROL)
    page.wait("the box to go", lambda: page.shown.regions() == [("brushregion", [target.colour])])


@contextlib.contextmanager
def passage(port: int) -> Iterator[int]:
    """A port of its own that leads to `port` until the context is left; then nothing answers there."""

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                inner, _ = door.accept()
                outer = socket.create_connection((LOOPBACK, port))
                for pair in ((inner, outer), (outer, inner)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with socket.create_server((LOOPBACK, 0)) as door:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)


def test_a_backend_that_cannot_be_reached_stays_silent(page: LabelingPage, project: Project, site: Site) -> None:
    """The point stays, and nothing is said; with the backend back, the next click is answered."""
    (target,) = largest_targets(SCENE, 1)
    with passage(site.stage.ports.backend) as port:
        site.label_studio.connect_backend(
            project.number, f"http://{LOOPBACK}:{port}", "SAM + CLIP", site.opened.backend_login
        )
        start(page, project)
    click(page, target)
    silent = page.wait_for_answer()
    assert silent.errors and not silent.results
    assert [kind for kind, _ in page.shown.regions()] == ["keypointregion"]
    assert not page.has_suggestion() and page.shown.message() == ""

    page.press("z", Keys.CONTROL)
    page.wait("the point to go", lambda: page.shown.regions() == [])
    site.label_studio.connect_backend(
        project.number, site.stage.ports.backend_url, "SAM + CLIP", site.opened.backend_login
    )
    click(page, target)
    assert page.wait_for_answer().masks
