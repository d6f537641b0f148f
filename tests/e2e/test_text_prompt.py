"""A person types what to look for: the masks that it names are suggested, and nothing where there is no such thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.values import Region
from scripts.demo_circle.circle import mask_iou
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.stage import Opened
from scripts.demo_circle.targets import click_scenes, encode_png
from scripts.demo_world.scenes import SceneObject
from tests.e2e.test_browser import saved_regions

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-000.png"
TEXT_AREA = '<TextArea name="find" toName="image" placeholder="Find ..."/>'
SETTING = '<View>\n  <!-- backend: {"text_prompt": "find"} -->'
_ANSWERED = """
    const calls = performance.getEntriesByType('resource').filter(e => e.name.includes('interactive-annotating'));
    return calls.filter(e => e.responseEnd > 0).length;
"""


def make_project(opened: Opened) -> tuple[int, int]:
    """A project whose text area is the text prompt, and its one task."""
    site = opened.site
    config = (ROOT / "label_config.xml").read_text(encoding="utf-8")
    config = config.replace("<View>", SETTING, 1).replace('<Image name="image"', f'{TEXT_AREA}\n  <Image name="image"')
    project = site.create_project("Find by a text", config, "")
    task = site.upload_images(project, {SCENE: encode_png(click_scenes(1)[SCENE])})[SCENE]
    url = site._json("GET", f"/api/ml/{opened.click_backend}")["url"]
    site.connect_backend(project, url, "SAM + CLIP")
    return project, task


def ask(page: LabelingPage, text: str) -> int:
    """Type a text and press Enter; returns how many masks are suggested."""
    before = page._run(_ANSWERED)
    page._run("document.querySelector('[data-testid=textarea-input]').focus()")
    page.press(f"{text}\n")
    page.wait(f"the answer to {text!r}", lambda: page._run(_ANSWERED) > before)
    page.wait("the page to take it", lambda: not page._run("return !!window.Htx.awaitingSuggestions"))
    return int(page._run("return window.Htx.annotationStore.selected.suggestions.size"))


def accept(page: LabelingPage) -> None:
    """The green tick; no prompt goes with it."""
    page._find("bottombar-accept-suggestions-button").click()
    page.wait("the suggestions to go", lambda: not page._all("bottombar-accept-suggestions-button"))


def find_object(region: Region) -> tuple[SceneObject, float]:
    """The object that a saved region covers best, and their IoU."""
    pairs = [(thing, mask_iou(region.mask, thing.mask)) for thing in click_scenes(1)[SCENE].objects]
    return max(pairs, key=lambda pair: pair[1])


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_typed_texts_become_saved_masks(page: LabelingPage, opened: Opened) -> None:
    project, task = make_project(opened)
    page.open_task(project, task)
    page.switch_on_auto_annotation()

    assert ask(page, "the pink square") == 1
    page.screenshot("text-1-suggested")
    accept(page)
    assert ask(page, "all rings") == 2
    page.screenshot("text-2-two-suggested")
    accept(page)
    assert ask(page, "a blue star") == 0
    page.screenshot("text-3-nothing")
    assert [kind for kind, _ in page.regions()] == ["brushregion"] * 3
    page.submit()

    found = [(region, *find_object(region)) for region in saved_regions(opened, task)]
    assert sorted(thing.class_name for _, thing, _ in found) == ["pink ring", "pink square", "yellow ring"]
    assert min(iou for *_, iou in found) >= 0.75
    assert [(region.label, region.choices["class"]) for region, _, _ in found] == [
        (thing.colour, (thing.class_name,)) for _, thing, _ in found
    ]
