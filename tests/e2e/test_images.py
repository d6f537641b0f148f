"""Photos as cameras make them: turned by EXIF, and with twelve megapixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Size
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, make_scene
from tests.e2e.objects import (
    KEYS,
    corners,
    encode_jpeg,
    encode_turned_jpeg,
    middle,
    objects_inside,
)
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
PHOTO = "photo.jpg"


def label_two_objects(page: LabelingPage, site: Site, scene: Scene, photo: bytes, name: str) -> None:
    """Click the largest object, box the second; what is drawn and saved lies where the objects are."""
    project: Project = site.make_project(name, {PHOTO: photo})
    clicked, boxed = objects_inside(scene)[:2]
    page.start(project.number, project.tasks[PHOTO])
    assert page.shown.image_size() == (scene.size.width, scene.size.height)

    for target, tool in ((clicked, "KeyPointTool"), (boxed, "RectangleTool")):
        page.pick(KEYS[target.colour], tool)
        if tool == "KeyPointTool":
            page.click(*middle(target.mask))
        else:
            page.drag(*corners(target.mask))
        (region_id,) = page.wait_for_answer().masks
        drawn, in_view = page.shown.drawn_mask(region_id)
        assert mask_iou(drawn, target.mask & in_view) > 0.6
        page.screenshot(f"{name}-{tool}")
        page.accept()
    page.submit()

    saved = site.annotation(project.tasks[PHOTO])
    sizes = {Size(one["original_width"], one["original_height"]) for one in saved if one["type"] == "brush"}
    assert sizes == {scene.size}
    regions = parse_regions(saved, parse_labeling_config(LABEL_CONFIG).images[0])
    ious = [mask_iou(region.mask, target.mask) for region, target in zip(regions, (clicked, boxed), strict=True)]
    print(name, ious)
    assert min(ious) >= 0.8, ious


def test_a_portrait_photo_that_exif_turns_is_masked_upright(page: LabelingPage, site: Site) -> None:
    scene = make_scene(HELD_OUT_SEED + 2000, Size(480, 640), objects=5)
    label_two_objects(page, site, scene, encode_turned_jpeg(scene.pixels), "exif")


def test_a_photo_of_twelve_megapixels_is_masked_at_its_own_size(page: LabelingPage, site: Site) -> None:
    scene = make_scene(HELD_OUT_SEED + 2001, Size(4000, 3000), objects=5)
    label_two_objects(page, site, scene, encode_jpeg(scene.pixels), "12-megapixels")
