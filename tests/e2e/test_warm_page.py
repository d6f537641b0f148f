"""When the encoder works: once for each image, while a person still looks at the page, never again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.demo_circle import commands
from tests.e2e.objects import NO_LABEL, corners, largest_targets
from tests.e2e.site import Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
A, B = "scene-000.png", "scene-003.png"


def click_largest(page: LabelingPage, scene: str, rank: int = 0) -> None:
    """Click one of the largest objects of a scene whose page is open."""
    target = largest_targets(scene, rank + 1)[rank]
    page.pick(NO_LABEL, "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    assert page.wait_for_answer().masks


def test_the_first_click_on_an_opened_image_encodes_nothing(page: LabelingPage, site: Site) -> None:
    project = site.fresh_project("Warm", A)
    before = site.encoded_when_at_rest()
    page.start(project.number, project.tasks[A])
    opened = site.wait_encoded(before + 1)
    click_largest(page, A)
    assert site.encoded_when_at_rest() == opened == before + 1


def test_going_back_to_an_image_encodes_nothing(page: LabelingPage, site: Site) -> None:
    project = site.fresh_project("There and back", A, B)
    before = site.encoded_when_at_rest()
    for scene in (A, B):
        page.start(project.number, project.tasks[scene])
        click_largest(page, scene)
    assert site.wait_encoded(before + 2) == before + 2
    page.start(project.number, project.tasks[A])
    click_largest(page, A, 1)
    assert site.encoded_when_at_rest() == before + 2


def test_the_first_click_on_a_pre_annotated_image_encodes_nothing(page: LabelingPage, site: Site) -> None:
    """Label Studio does not ask for the page of a task that has predictions, so nothing would warm it."""
    project: Project = site.fresh_project("Pre-annotated", A)
    commands.preannotate(project.number, site.command_environment(), quiet=True)
    before = site.encoded_when_at_rest()
    page.start(project.number, project.tasks[A])
    page.screenshot("pre-annotated")
    page.pick(NO_LABEL, "RectangleTool")  # a click inside a mask that is there would select it
    page.drag(*corners(largest_targets(A, 1)[0].mask))
    assert page.wait_for_answer().masks
    assert site.encoded_when_at_rest() == before


def test_retrieving_predictions_does_not_hide_the_masks_of_pre_annotation(site: Site) -> None:
    """Label Studio shows the newest prediction of a task, and "Retrieve Predictions" asks without a prompt."""
    project: Project = site.fresh_project("Retrieved", A, B)
    commands.preannotate(project.number, site.command_environment(), quiet=True)
    (masks,) = site.label_studio.task(project.tasks[A])["predictions"]
    (other,) = site.label_studio.task(project.tasks[B])["predictions"]
    site.label_studio._request("DELETE", f"/api/predictions/{other['id']}/")

    chosen = {"selectedItems": {"all": False, "included": list(project.tasks.values())}}
    site.label_studio._json(
        "POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project.number}", json=chosen
    )
    assert [found["id"] for found in site.label_studio.task(project.tasks[A])["predictions"]] == [masks["id"]]
    (retrieved,) = site.label_studio.task(project.tasks[B])["predictions"]
    assert retrieved["model_version"] == other["model_version"]
    assert [result["from_name"] for result in retrieved["result"]] == [one["from_name"] for one in other["result"]]
