"""A person types what to look for: the masks that it names are suggested, and nothing where there is no such thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Region
from scripts.demo_circle.targets import click_scenes
from scripts.demo_world.scenes import SceneObject
from tests.e2e.site import LABEL_CONFIG, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-000.png"


def ask(page: LabelingPage, text: str) -> int:
    """Type a text and press Enter; returns how many masks are suggested."""
    page.enter_text(text)
    page.wait_for_answer()
    return len(page.shown.suggested_masks())


def find_object(region: Region) -> tuple[SceneObject, float]:
    """The object that a saved region covers best, and their IoU."""
    pairs = [(thing, mask_iou(region.mask, thing.mask)) for thing in click_scenes(1)[SCENE].objects]
    return max(pairs, key=lambda pair: pair[1])


@pytest.mark.timeout(900)
def test_typed_texts_become_saved_masks(page: LabelingPage, site: Site) -> None:
    project = site.scene_project("Find by a text", SCENE)
    page.start(project.number, project.tasks[SCENE])

    assert ask(page, "the pink square") == 1
    page.screenshot("text-1-suggested")
    page.accept()
    assert ask(page, "all rings") == 2
    page.screenshot("text-2-two-suggested")
    page.accept()
    assert ask(page, "a blue star") == 0
    page.screenshot("text-3-nothing")
    assert [kind for kind, _ in page.shown.regions()] == ["brushregion"] * 3
    page.submit()

    saved = site.annotation(project.tasks[SCENE])
    found = [
        (region, *find_object(region)) for region in parse_regions(saved, parse_labeling_config(LABEL_CONFIG).images[0])
    ]
    assert sorted(thing.class_name for _, thing, _ in found) == ["pink ring", "pink square", "yellow ring"]
    assert min(iou for *_, iou in found) >= 0.75
    assert [(region.label, region.choices["class"]) for region, _, _ in found] == [
        (thing.colour, (thing.class_name,)) for _, thing, _ in found
    ]
