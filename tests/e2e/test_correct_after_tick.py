"""A mask is corrected straight after the green tick, before Label Studio has saved it; and what the rules build on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.targets import click_scene
from scripts.demo_world.scenes import click_point
from tests.e2e.objects import KEYS, NO_LABEL, find_target, largest_targets, middle
from tests.e2e.site import Project, Site
from tests.e2e.test_correcting import accept_click, deep_point_away_from

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

RING_SCENE, SCENE = "scene-008.png", "scene-001.png"
pytestmark = pytest.mark.timeout(900)


def saved_ids(site: Site, project: Project, scene: str) -> set[str]:
    """The ids that Label Studio has saved of a task: in drafts and in annotations."""
    task = site.label_studio.task(project.tasks[scene])
    saved = [*(task.get("drafts") or []), *task["annotations"]]
    return {str(result.get("id")) for document in saved for result in document["result"]}


@pytest.mark.parametrize("picked", ["label", "no label"])
def test_a_click_straight_after_the_tick_replaces_the_accepted_mask(
    page: LabelingPage, site: Site, picked: str
) -> None:
    target = find_target(RING_SCENE, "green ring")  # of which the first answer leaves out a piece
    key = KEYS[target.colour] if picked == "label" else NO_LABEL
    project = site.scene_project("Straight after the tick", RING_SCENE)
    page.hold_drafts()
    page.start(project.number, project.tasks[RING_SCENE])
    page.pick(key, "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    first = page.wait_for_answer()
    config = parse_labeling_config(project.label_config).images[0]
    (old,) = parse_regions(first.results, config)
    page.accept()
    (before,) = page.shown.mask_ids()

    page.pick(key, "KeyPointTool")
    page.click(*middle(target.mask & ~old.mask))
    answer = page.wait_for_answer()
    assert before not in saved_ids(site, project, RING_SCENE), "a draft came first, so nothing was proved"
    assert [prompt["is_positive"] for prompt in answer.points] == [True]
    assert list(answer.masks) == [before]
    page.screenshot("after-tick-0-suggested")
    page.accept()
    page.screenshot("after-tick-1-accepted")
    assert page.shown.mask_ids() == [before]
    page.release_drafts()
    page.submit()
    (saved,) = parse_regions(site.annotation(project.tasks[RING_SCENE]), config)
    assert saved.region_id == before
    assert mask_iou(saved.mask, target.mask) > mask_iou(old.mask, target.mask) + 0.02


def test_a_negative_click_straight_after_the_tick_corrects_the_accepted_mask(page: LabelingPage, site: Site) -> None:
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Straight after the tick", SCENE)
    page.hold_drafts()
    accept_click(page, project, target)
    (before,) = page.shown.mask_ids()
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*deep_point_away_from(target.mask, target.x, target.y), alt=True, ctrl=True)
    answer = page.wait_for_answer()
    assert before not in saved_ids(site, project, SCENE), "a draft came first, so nothing was proved"
    assert list(answer.masks) == [before]


@pytest.mark.parametrize("picks", [False, True], ids=["no label", "the new label"])
def test_a_label_that_was_just_changed_is_kept_by_a_correction_only_if_it_is_picked(
    page: LabelingPage, site: Site, picks: bool
) -> None:
    """The page sends the point alone, and Label Studio a draft from before the change; the line tells the label."""
    (target,) = largest_targets(SCENE, 1)
    new = next(colour for colour in KEYS if colour != target.colour)
    project = site.scene_project("Changed label", SCENE)
    accept_click(page, project, target)
    (mask,) = page.shown.mask_ids()
    site.wait_for_draft(project.tasks[SCENE], mask)
    page.unselect()
    page.hold_drafts()
    page.pick(NO_LABEL, "KeyPointTool")
    page.select_in_list(0)
    page.press(KEYS[new])
    page.wait("the new label", lambda: page.shown.regions() == [("brushregion", [new])])
    page.unselect()

    page.pick(KEYS[new] if picks else NO_LABEL, "KeyPointTool")
    page.click(*deep_point_away_from(target.mask, target.x, target.y), alt=True, ctrl=True)
    answer = page.wait_for_answer()
    (draft,) = site.label_studio.task(project.tasks[SCENE])["drafts"]
    assert [one["value"]["labels"] for one in draft["result"] if one["type"] == "labels" and one["id"] == mask] == [
        [target.colour]
    ], "the change was saved first, so nothing was proved"
    assert {one["type"] for one in answer.prompts} == ({"keypoint", "labels"} if picks else {"keypoint"})
    assert list(answer.masks) == [mask]
    said = f'It gets the label "{new}".' if picks else f'It keeps the label "{target.colour}".'
    page.wait("the label in words", lambda: said in page.shown.message())
    page.accept()
    assert page.shown.regions() == [("brushregion", [new if picks else target.colour])]


def test_a_plain_click_on_an_accepted_mask_selects_it_and_asks_nothing(page: LabelingPage, site: Site) -> None:
    """A positive point on the last mask therefore shows that it was rejected."""
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Straight after the tick", SCENE)
    accept_click(page, project, target)
    (before,) = page.shown.mask_ids()
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*deep_point_away_from(target.mask, target.x, target.y))
    page.wait("the mask to be selected", lambda: page.shown.selected_ids() == [before])
    assert page.answers_to_come() == 0


def test_a_click_on_a_mask_that_was_rejected_starts_a_new_one(page: LabelingPage, site: Site) -> None:
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Straight after the tick", SCENE)
    page.start(project.number, project.tasks[SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    rejected = page.wait_for_answer()
    page.reject()
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*deep_point_away_from(target.mask, target.x, target.y))
    answer = page.wait_for_answer()
    assert len(answer.masks) == 1
    assert not answer.masks.keys() & rejected.masks.keys()


def test_a_refused_alt_click_does_not_bring_back_the_mask_of_a_point_that_was_crossed(
    page: LabelingPage, site: Site
) -> None:
    """The request has all points with its label, so no draft is needed to tell that the point is gone."""
    (target,) = largest_targets(SCENE, 1)
    project = site.scene_project("Crossed", SCENE)
    page.hold_drafts()
    page.start(project.number, project.tasks[SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    assert page.wait_for_answer().masks
    page.reject()
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*background_point(SCENE), alt=True)
    refused = page.wait_for_answer()
    assert [point["is_positive"] for point in refused.points] == [False]
    page.wait("the reason", lambda: "mask here to take a part from" in page.shown.message())
    assert not refused.masks and not page.shown.suggested_masks()


def test_the_point_of_a_click_on_nothing_is_taken_back_with_control_z(page: LabelingPage, site: Site) -> None:
    target = find_target(RING_SCENE, "green ring")
    project = site.scene_project("Click on nothing", RING_SCENE)
    page.start(project.number, project.tasks[RING_SCENE])
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(*background_point(RING_SCENE))
    refused = page.wait_for_answer()
    assert not refused.masks
    assert len(page.shown.regions()) == 1  # the point
    page.undo()
    page.wait("the point to go", lambda: not page.shown.regions())
    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    answer = page.wait_for_answer()
    assert len(answer.points) == 1
    assert len(answer.masks) == 1


def background_point(scene: str) -> tuple[float, float]:
    """The pixel farthest from all objects and from the border."""
    drawn = dict([click_scene(int(scene[6:9]))])[scene]
    objects = np.logical_or.reduce([item.mask for item in drawn.objects])
    return click_point(~objects)
