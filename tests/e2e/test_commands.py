"""A person types commands into the text prompt: more like the accepted masks, everything, and the last one smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import decode_brush, parse_regions
from backend.values import Mask, Region, Size
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.repeated_scenes import draw_repeated
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, make_scene
from tests.e2e.objects import KEYS, middle
from tests.e2e.site import LABEL_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "repeated.png"
KIND = ("red", "ring")
SEED = HELD_OUT_SEED + 650_000
STEP = 0.95  # of the area is left by "tighter"


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Several red rings among other objects."""
    return draw_repeated(make_scene, SEED, KIND)


def rings(scene: Scene) -> list[Mask]:
    return [one.mask for one in scene.objects if (one.colour, one.shape) == KIND]


def ask(page: LabelingPage, text: str) -> list[Mask]:
    """Type a text and press Enter; returns the suggested masks."""
    page.enter_text(text)
    page.wait_for_answer()
    return list(suggested(page).values())


def suggested(page: LabelingPage) -> dict[str, Mask]:
    size = Size(*page.shown.image_size())
    return {region: decode_brush(list(rle), size) for region, rle in page.shown.suggested_masks().items()}


def click(page: LabelingPage, mask: Mask) -> None:
    """Click an object with the label of the rings."""
    page.pick(KEYS[KIND[0]], "KeyPointTool")
    page.click(*middle(mask))
    page.wait_for_answer()


def wait_for_draft(page: LabelingPage, site: Site, project: Project, masks: int) -> None:
    """Until Label Studio has saved the page with so many masks."""

    def is_saved() -> bool:
        drafts = site.label_studio.task(project.tasks[SCENE])["drafts"]
        config = parse_labeling_config(LABEL_CONFIG).images[0]
        return bool(drafts) and len(parse_regions(drafts[0]["result"], config)) == masks

    page.wait(f"a draft with {masks} masks", is_saved)


def best_iou(mask: Mask, truths: list[Mask]) -> float:
    return max(mask_iou(mask, truth) for truth in truths)


@pytest.mark.timeout(900)
def test_more_like_an_accepted_mask_and_then_everything_else(page: LabelingPage, site: Site, scene: Scene) -> None:
    project = site.make_project("Commands", {SCENE: encode_png(scene)})
    page.start(project.number, project.tasks[SCENE])
    first, *others = rings(scene)

    click(page, first)
    (clicked,) = suggested(page)
    page.accept()
    page.enter_text("like this")  # at once: the page may be saved or not
    page.wait_for_answer()
    page.screenshot("commands-1-like-this")
    alike = suggested(page)
    is_repeated = alike.pop(clicked, None) is not None  # if it was not saved
    assert page.shown.message().endswith(" Masks shown again are not doubled.") is is_repeated
    assert len(alike) == len(others)
    assert min(best_iou(mask, others) for mask in alike.values()) >= 0.75
    page.accept()
    assert len(page.shown.mask_ids()) == len(rings(scene))

    wait_for_draft(page, site, project, len(rings(scene)))
    rest = ask(page, "Everything")
    page.screenshot("commands-2-everything")
    assert len(rest) >= 2
    # The rings have their masks already. One of the others is a ring with what is around it.
    assert max(best_iou(mask, rings(scene)) for mask in rest) < 0.7
    assert sum(best_iou(mask, rings(scene)) > 0.5 for mask in rest) <= 1
    page.accept()
    assert ask(page, "help") == []
    page.screenshot("commands-3-help")
    page.submit()

    config = parse_labeling_config(LABEL_CONFIG).images[0]
    saved: list[Region] = parse_regions(site.annotation(project.tasks[SCENE]), config)
    assert len(saved) == len(rings(scene)) + len(rest)
    assert [(one.label, one.choices["class"]) for one in saved[: len(rings(scene))]] == [
        ("red", ("red ring",)) for _ in rings(scene)
    ]


@pytest.mark.timeout(900)
def test_the_last_mask_gets_tighter_and_looser_before_and_after_the_tick(
    page: LabelingPage, site: Site, scene: Scene
) -> None:
    project = site.make_project("Tighter", {SCENE: encode_png(scene)})
    page.start(project.number, project.tasks[SCENE])
    click(page, rings(scene)[0])
    ((region, mask),) = suggested(page).items()
    areas = [int(mask.sum())]
    for text in ("tighter", "tighter", "looser"):
        page.enter_text(text)
        page.wait_for_answer()
        ((again, mask),) = suggested(page).items()
        assert again == region  # it takes the place of the suggestion
        areas.append(int(mask.sum()))
    page.screenshot("commands-4-tighter")
    x, y = middle(rings(scene)[0])
    assert mask[int(y), int(x)]
    steps = np.array(areas[1:]) / areas[:-1]
    assert steps == pytest.approx([STEP, STEP, 2 - STEP], abs=0.002)

    page.accept()
    assert page.shown.mask_ids() == [region]
    page.enter_text("looser")
    page.wait_for_answer()
    ((again, larger),) = suggested(page).items()
    assert again == region and larger.sum() == pytest.approx(mask.sum() * (2 - STEP), rel=0.002)
    page.screenshot("commands-5-looser-after-the-tick")
    page.accept()
    assert page.shown.mask_ids() == [region]  # in place of the accepted one
    page.submit()
    config = parse_labeling_config(LABEL_CONFIG).images[0]
    (saved,) = parse_regions(site.annotation(project.tasks[SCENE]), config)
    assert np.array_equal(saved.mask, larger)
