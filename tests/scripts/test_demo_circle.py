"""What the check clicks on, and that it says so when something is not as it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from backend.export import DataSet, EncodedRegion, LabeledImage, encode_region, write_coco
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests.prompts import parse_prompts
from backend.values import Size
from scripts.demo_circle.circle import Clicked, Report, compare, judge, load_coco
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.site import keypoint, rectangle
from scripts.demo_circle.targets import Target, click_scenes, find_targets, scenes_to_check
from scripts.demo_world.scenes import BACKGROUNDS, CLASS_NAMES, COLOURS, SHAPES
from tests.recorded import load_payload

CONFIG = parse_labeling_config((ROOT / "label_config.xml").read_text(encoding="utf-8")).images[0]
SIZE = (640, 480)


def test_the_check_clicks_at_least_ten_objects_of_all_eight_shapes() -> None:
    scenes = scenes_to_check()
    targets = find_targets(scenes)
    assert len(targets) >= 10
    assert {target.shape for target in targets} == set(SHAPES)
    assert all(target.mask[int(target.y), int(target.x)] for target in targets)
    shown = click_scenes(len(scenes))
    assert all(np.array_equal(scene.pixels, shown[name].pixels) for name, scene in scenes.items())


def test_the_first_eight_scenes_show_every_background() -> None:
    assert {scene.background for scene in click_scenes(8).values()} == set(BACKGROUNDS)


def test_the_labeling_config_speaks_the_words_of_the_demo_world() -> None:
    assert tuple(label.name for label in CONFIG.answers[0].labels) == COLOURS
    assert tuple(label.name for label in CONFIG.region_choices[0].labels) == CLASS_NAMES
    assert [control.label_names for control in CONFIG.image_choices] == [BACKGROUNDS]
    for control in (*CONFIG.keypoints, *CONFIG.rectangles):
        assert control.label_names == COLOURS


def test_the_labeling_config_for_photographs_has_fifty_odd_classes_and_the_same_structure() -> None:
    xml = (ROOT / "docs" / "label_config_photos.xml").read_text(encoding="utf-8")
    photos = parse_labeling_config(xml).images[0]
    assert 50 <= len(photos.region_choices[0].labels) < 60
    for control in (*photos.keypoints, *photos.rectangles):
        assert control.label_names == photos.answers[0].label_names
    assert photos.region_choices and photos.image_choices


@pytest.mark.parametrize(
    "name", ["label_config.xml", "docs/label_config_photos.xml", "docs/label_config_three_rows.xml"]
)
def test_no_hotkey_of_a_label_is_taken_twice_or_by_a_tool(name: str) -> None:
    tree = ElementTree.parse(ROOT / name)
    keys = [tag.get("hotkey", "") for tag in tree.iter("Label")]
    assert all(keys) and len(set(keys)) == len(keys)
    assert set("mbvhu").isdisjoint(keys)  # smart tool, brush, move, hide, unselect
    assert {tag.get("hotkey") for tag in tree.iter("Choice")} == {"f19"}


def test_prompts_are_read_as_they_were_meant() -> None:
    points = [*keypoint(160, 240, SIZE, "red"), *keypoint(1, 2, SIZE, "red", positive=False)]
    (click,) = parse_prompts(points, CONFIG)
    assert click.prompt.point_coords == (pytest.approx((160, 240)), pytest.approx((1, 2)))
    assert (click.prompt.point_labels, click.label) == ((1, 0), "red")
    (box,) = parse_prompts(rectangle((10, 20, 30, 50), SIZE), CONFIG)
    assert box.prompt.box_xyxy == pytest.approx((10, 20, 30, 50))
    assert box.label == ""


@pytest.mark.parametrize(
    ("name", "built"),
    [
        (
            "one_row_click_and_alt_click",
            [*keypoint(274.286, 171.429, SIZE, "red"), *keypoint(344.348, 181.118, SIZE, "red", positive=False)],
        ),
        ("one_row_click_without_label", keypoint(293.665, 393.540, SIZE)),
        ("one_row_box_without_label", rectangle((424.845, 93.168, 552.298, 242.981), SIZE)),
        ("plain_rectangle", rectangle((431.165, 48.923, 590.277, 222.952), SIZE, "blue")),
    ],
)
def test_prompts_are_those_that_the_page_sent(name: str, built: list[Any]) -> None:
    """Compared with recorded requests. The width of a point is that of its dot on the page."""
    sent = load_payload(name)["params"]["context"]["result"]
    for ours, theirs in zip(built, sent, strict=True):
        assert ours.keys() == theirs.keys()
        names = ("id", "from_name") if name == "plain_rectangle" else ("id",)  # recorded with other names
        assert without(ours, "value", *names) == without(theirs, "value", *names)
        assert ours["value"].get("labels") == theirs["value"].get("labels")
        dot = ("width",) if "height" not in ours["value"] else ()
        expected = pytest.approx(without(theirs["value"], "labels", *dot), abs=1e-3)
        assert without(ours["value"], "labels", *dot) == expected
    assert len({one["id"] for one in built}) == len({one["id"] for one in sent})


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in keys}


def square(left: int, top: int, side: int) -> Any:
    mask = np.zeros((48, 64), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def exported(regions: tuple[EncodedRegion, ...], tmp_path: Path) -> Any:
    images = [
        LabeledImage("a.png", Size(64, 48), 1, 1, regions, image_id=1),
        LabeledImage("b.png", Size(64, 48), 2, 2, image_id=2),
    ]
    path = tmp_path / "instances.json"
    write_coco(path, images, DataSet("shapes", tuple(COLOURS)))
    return load_coco(path)


TARGET = Target("a.png", "red", "square", square(10, 10, 10), 15, 15)


def test_a_perfect_export_is_measured_as_such(tmp_path: Path) -> None:
    region = encode_region(TARGET.mask, "red", "r1", choices={"class": ("red square",)})
    report = Report()
    compare(exported((region,), tmp_path), [Clicked(TARGET, "r1", 0.1)], report)
    assert report.failures == []
    (one,) = report.measured
    assert (one.iou, one.category, one.class_name) == (1.0, "red", "red square")


def test_everything_that_is_wrong_is_named(tmp_path: Path) -> None:
    regions = (
        encode_region(square(15, 10, 10), "blue", "r1", choices={"class": ("blue square",)}),
        encode_region(square(40, 10, 5), "red", "stranger"),
    )
    report = Report()
    lost = Clicked(Target("a.png", "pink", "star", square(0, 0, 5), 2, 2), "lost", 0.1)
    compare(exported(regions, tmp_path), [Clicked(TARGET, "r1", 0.1), lost], report)
    judge(report)
    assert report.failures == [
        "The pink star's region is missing in the export.",
        "The export has 1 unexpected regions.",
        "Only 1 objects were measured, expected at least 10.",
        "Shapes without a measured object: circle, crescent, cross, ellipse, ring, star, triangle.",
        "The mean IoU is 0.333, less than 0.85.",
        "1 of 1 classes are wrong (red square in a.png: blue square).",
        "The red square in a.png has an IoU of 0.333, less than 0.6.",
        "The red square in a.png was exported as blue.",
    ]
