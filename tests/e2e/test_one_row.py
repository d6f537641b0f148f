"""One row of labels for all tools, as label_config.xml has it; and the layout with a row of labels for each tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle import commands
from scripts.demo_circle.circle import load_coco
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.site import keypoint, rectangle
from tests.e2e.objects import KEYS, NO_LABEL, corners, find_target, largest_targets
from tests.e2e.site import LABEL_CONFIG, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.browser import Json
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
SCENE, SIZE = "scene-000.png", (640, 480)
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
THREE_ROWS = (ROOT / "docs" / "label_config_three_rows.xml").read_text(encoding="utf-8")
MESSAGE = "There is no object here. Click in the middle of one, or draw a box around it: M takes the next tool."


def test_a_label_stays_picked_and_without_one_clip_chooses(page: LabelingPage, site: Site) -> None:
    ellipse, crescent, circle = (
        find_target(SCENE, name) for name in ("purple ellipse", "orange crescent", "red circle")
    )
    project = site.scene_project("One row", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.pick(NO_LABEL, "KeyPointTool")
    page.click(ellipse.x + 0.5, ellipse.y + 0.5)
    answer = page.wait_for_answer()
    assert_as_built(answer.prompts, keypoint(ellipse.x + 0.5, ellipse.y + 0.5, SIZE))
    page.accept()
    assert page.shown.regions() == [("brushregion", ["purple"])]

    page.press(KEYS["green"])  # of no object in this scene, so nothing but the key can choose it
    page.click(crescent.x + 0.5, crescent.y + 0.5)
    page.wait_for_answer()
    page.click(crescent.x + 70.5, crescent.y + 0.5, alt=True)
    answer = page.wait_for_answer()
    points = keypoint(crescent.x + 0.5, crescent.y + 0.5, SIZE, "green")
    assert_as_built(
        answer.prompts, [*points, *keypoint(crescent.x + 70.5, crescent.y + 0.5, SIZE, "green", positive=False)]
    )
    assert page.shown.picked_labels() == ["green"]
    page.accept()
    assert page.shown.picked_labels() == ["green"]
    page.take_smart_tool("RectangleTool")
    assert page.shown.picked_labels() == ["green"]

    page.drag(*corners(circle.mask))
    answer = page.wait_for_answer()
    (left, top), (right, bottom) = corners(circle.mask)
    assert_as_built(answer.prompts, rectangle((left, top, right, bottom), SIZE, "green"))
    page.press(KEYS["red"])  # before the tick: the mask is filed under this label
    page.accept()
    assert page.shown.regions() == [("brushregion", [name]) for name in ("purple", "green", "red")]
    page.screenshot("one-row-1-three-masks")
    page.submit()
    saved = site.annotation(project.tasks[SCENE])
    regions = parse_regions(saved, CONFIG)
    assert [(region.label, region.choices["class"]) for region in regions] == [
        ("purple", ("purple ellipse",)),
        ("green", ("orange crescent",)),
        ("red", ("red circle",)),
    ]
    kinds = [(one["type"], one["from_name"]) for one in saved if one["from_name"] not in ("background", "message")]
    assert kinds == [("brush", "mask"), ("labels", "label"), ("choices", "class")] * 3


def assert_as_built(sent: list[Json], built: list[Json]) -> None:
    """What the page sent is what the builder makes, up to ids, the size of a point's dot and half a pixel."""
    assert [(one["type"], one["from_name"], one.get("is_positive")) for one in sent] == [
        (one["type"], one["from_name"], one.get("is_positive")) for one in built
    ]
    for theirs, ours in zip(sent, built, strict=True):
        assert theirs.keys() == ours.keys()
        assert theirs["value"].keys() == ours["value"].keys()
        assert theirs["value"].get("labels") == ours["value"].get("labels")
        for name in {"x", "y", "width", "height"} & ours["value"].keys() - ({"width"} if "is_positive" in ours else ()):
            assert theirs["value"][name] == pytest.approx(ours["value"][name], abs=0.3)


def test_the_brush_paints_with_the_labels_of_the_row_and_the_mask_is_exported(
    page: LabelingPage, site: Site, tmp_path: Path
) -> None:
    project = site.scene_project("Painted", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.press("b")
    page.press(KEYS["cyan"])
    page.wait("a label", lambda: page.shown.picked_labels() == ["cyan"])
    page.drag((400, 60), (480, 60))
    page.wait("what was painted", lambda: page.shown.regions() == [("brushregion", ["cyan"])])
    page.screenshot("one-row-2-painted")
    page.submit()

    (painted,) = parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)
    assert painted.label == "cyan" and painted.mask[60, 420:460].all() and not painted.mask[120:].any()
    coco = load_coco(commands.export(project.number, tmp_path / "export", site.command_environment()))
    (entry,) = coco.anns.values()
    assert coco.cats[entry["category_id"]]["name"] == "cyan"
    assert mask_iou(coco.annToMask(entry).astype(bool), painted.mask) == 1.0


def test_predictions_of_one_row_are_shown_with_their_labels(page: LabelingPage, site: Site) -> None:
    project = site.scene_project("Predicted in one row", SCENE)
    commands.preannotate(project.number, site.command_environment(), quiet=True)
    (prediction,) = site.label_studio.task(project.tasks[SCENE])["predictions"]
    page.open_predicted_task(project.number, project.tasks[SCENE], len(parse_regions(prediction["result"], CONFIG)))
    predicted = page.shown.regions()
    page.screenshot("one-row-3-predicted")
    page.submit()
    saved = parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)
    assert predicted == [("brushregion", [region.label]) for region in saved]
    assert {"purple ellipse", "orange crescent", "red circle"} <= {region.choices["class"][0] for region in saved}


def test_neither_a_message_nor_a_typed_text_nor_a_selection_moves_the_image(page: LabelingPage, site: Site) -> None:
    """A second click would land beside what the person points at."""
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Image at rest", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.pick(NO_LABEL, "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    page.accept()
    before = page.shown.place(0, 0)
    page.show_message("message", MESSAGE)
    page.wait("the message", lambda: MESSAGE in page.text())
    page.enter_text("a blue star")
    page.wait_for_answer()
    (region_id,) = page.shown.mask_ids()
    page.shown.select_region(region_id)
    page.wait("the class", lambda: page.shown.choice("class") == target.class_name)
    page.screenshot("one-row-4-message")
    assert page.shown.place(0, 0) == before


@pytest.mark.parametrize(("tool", "key"), [("KeyPointTool", "9"), ("RectangleTool", "g"), ("KeyPointTool", "1")])
def test_a_row_of_labels_for_each_tool_still_works(tool: str, key: str, page: LabelingPage, site: Site) -> None:
    """Keys 9 and g are AUTO, 1 is red."""
    target = find_target(SCENE, "red circle")
    project = site.scene_project("Three rows", SCENE, label_config=THREE_ROWS)
    page.start(project.number, project.tasks[SCENE])
    page.pick(key, tool)
    if tool == "RectangleTool":
        page.drag(*corners(target.mask))
    else:
        page.click(target.x + 0.5, target.y + 0.5)
    answer = page.wait_for_answer()
    assert [result["type"] for result in answer.results] == ["brushlabels", "choices"]
    page.screenshot(f"three-rows-{tool}-{key}")
    page.accept()
    page.submit()
    config = parse_labeling_config(THREE_ROWS).images[0]
    (region,) = parse_regions(site.annotation(project.tasks[SCENE]), config)
    assert (region.label, region.choices["class"]) == ("red", ("red circle",))
    assert mask_iou(region.mask, target.mask) >= 0.9
