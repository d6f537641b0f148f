"""A person types what to look for: the masks that it names are suggested, and nothing where there is no such thing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.predict.last_answers import ANSWER_TTL_SECONDS
from backend.values import Region
from scripts.demo_circle.targets import click_scenes
from scripts.demo_world.scenes import SceneObject
from tests.e2e.objects import KEYS, NO_LABEL, find_target
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
def test_a_text_offers_no_second_mask_of_an_object(page: LabelingPage, site: Site) -> None:
    """Straight after the tick, when Label Studio has saved the page, and in the annotation that is opened again."""
    project = site.scene_project("Find what has no mask yet", SCENE)
    task, ring = project.tasks[SCENE], find_target(SCENE, "pink ring")
    page.start(project.number, task)
    page.pick(KEYS["pink"], "KeyPointTool")
    page.click(ring.x + 0.5, ring.y + 0.5)
    page.wait_for_answer()
    page.accept()
    (region,) = page.shown.mask_ids()
    page.pick("", "KeyPointTool")

    page.hold_drafts()
    assert ask(page, "all rings") == 2
    assert region in page.shown.suggested_masks()  # under its id: the tick does not double it
    assert page.shown.message() == '2 objects match "all rings". Masks shown again are not doubled.'
    page.screenshot("text-4-not-saved-yet")
    page.reject()
    assert page.shown.mask_ids() == [region]

    page.release_drafts()
    site.wait_for_draft(task, region)
    assert ask(page, "all rings") == 1
    one_more = '1 object matches "all rings". 1 more has a mask already. Masks shown again are not doubled.'
    page.wait("the message", lambda: page.shown.message() == one_more)  # the other ring was suggested before
    page.screenshot("text-5-one-more-has-a-mask")
    page.accept()
    other = next(one for one in page.shown.mask_ids() if one != region)
    page.submit()

    page.start(project.number, task)
    page.wait("the annotation", lambda: sorted(page.shown.mask_ids()) == sorted([region, other]))
    assert ask(page, "all rings") == 0
    both = 'All 2 objects that match "all rings" have a mask already.'
    page.wait("the message", lambda: page.shown.message() == both)
    page.screenshot("text-6-reopened")


@pytest.mark.timeout(900)
def test_in_an_annotation_without_a_text_that_is_opened_again_the_second_text_knows_its_masks(
    page: LabelingPage, site: Site
) -> None:
    """The annotation may be another person's until the first text is saved in a draft."""
    project = site.scene_project("Find in an annotation of clicks", SCENE)
    task, ring = project.tasks[SCENE], find_target(SCENE, "pink ring")
    page.start(project.number, task)
    page.pick(NO_LABEL, "KeyPointTool")
    page.click(ring.x + 0.5, ring.y + 0.5)
    page.wait_for_answer()
    page.accept()
    (region,) = page.shown.mask_ids()
    page.submit()
    time.sleep(ANSWER_TTL_SECONDS)  # after which the backend has forgotten the click

    page.start(project.number, task)
    page.wait("the annotation", lambda: page.shown.mask_ids() == [region])
    assert ask(page, "all rings") == 2
    page.reject()
    site.wait_for_draft(task, region)
    assert ask(page, "all rings") == 1


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
