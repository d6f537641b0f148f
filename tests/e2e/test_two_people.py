"""Two people at two browsers at the same time: each gets the masks of their own image, in their own vocabulary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.targets import Target
from tests.e2e.objects import KEYS, largest_targets
from tests.e2e.site import LABEL_CONFIG, OTHER_CONFIG, Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.browser import Exchange
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
T = TypeVar("T")
HERS, HIS = "scene-000.png", "scene-001.png"


def at_once(*works: Callable[[], T]) -> list[T]:
    """Run each in a thread of its own; returns what they returned."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def label(
    page: LabelingPage,
    project: Project,
    targets: list[Target],
    key: Callable[[Target], str],
    barrier: threading.Barrier,
) -> list[Exchange]:
    """Click and accept each target, every click at the same moment as the other person's; then submit."""
    answers = []
    scene = targets[0].scene
    page.start(project.number, project.tasks[scene])
    for target in targets:
        page.pick(key(target), "KeyPointTool")
        barrier.wait(timeout=120)
        page.click(target.x + 0.5, target.y + 0.5)
        answers.append(page.wait_for_answer())
        page.screenshot(f"two-people-{scene[:9]}-{len(answers)}")
        page.accept()
    page.submit()
    return answers


def check_masks(site: Site, project: Project, targets: list[Target]) -> None:
    """What was saved for a scene are the masks of its own objects."""
    config = parse_labeling_config(project.label_config).images[0]
    regions = parse_regions(site.annotation(project.tasks[targets[0].scene]), config)
    ious = [mask_iou(region.mask, target.mask) for region, target in zip(regions, targets, strict=True)]
    print(targets[0].scene, ious)
    assert min(ious) >= 0.6, ious


def test_two_people_on_two_images_get_their_own_masks(
    page: LabelingPage, colleagues_page: LabelingPage, site: Site
) -> None:
    project = site.scene_project("Two people", HERS, HIS)
    hers, his = largest_targets(HERS, 3), largest_targets(HIS, 3)
    barrier = threading.Barrier(2)
    at_once(
        lambda: label(page, project, hers, lambda target: KEYS[target.colour], barrier),
        lambda: label(colleagues_page, project, his, lambda target: KEYS[target.colour], barrier),
    )
    check_masks(site, project, hers)
    check_masks(site, project, his)
    authors = {site.author(project.tasks[scene]) for scene in (HERS, HIS)}
    assert len(authors) == 2


def test_two_projects_at_once_are_answered_in_their_own_vocabularies(
    page: LabelingPage, colleagues_page: LabelingPage, site: Site
) -> None:
    """Also on the same image: what one project asked for must not show in the other."""
    colours = site.scene_project("Colours", HERS)
    forms = site.scene_project("Forms", HERS, label_config=OTHER_CONFIG)
    targets = largest_targets(HERS, 3)
    barrier = threading.Barrier(2)
    in_colours, in_forms = at_once(
        lambda: label(page, colours, targets, lambda target: KEYS[target.colour], barrier),
        lambda: label(colleagues_page, forms, targets, lambda target: "1", barrier),
    )
    for target, answer in zip(targets, in_colours, strict=True):
        mask, label, choice = answer.results
        assert (mask["from_name"], label["from_name"], label["to_name"]) == ("mask", "label", "image")
        assert label["value"]["labels"] == [target.colour]
        assert (choice["from_name"], choice["value"]["choices"]) == ("class", [target.class_name])
    for target, answer in zip(targets, in_forms, strict=True):
        mask, choice = answer.results
        assert (mask["from_name"], mask["to_name"], mask["value"]["brushlabels"]) == ("silhouette", "photo", ["thing"])
        assert (choice["from_name"], choice["value"]["choices"]) == ("form", [target.shape])
    assert colours.label_config == LABEL_CONFIG
    check_masks(site, colours, targets)
    check_masks(site, forms, targets)
