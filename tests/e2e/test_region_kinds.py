"""Masks come in the kind of region that a project has, from a click and from pre-annotation; the page shows and saves
them as they were sent, and they are read again as masks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle import commands
from scripts.demo_circle.targets import click_scenes, find_targets
from tests.e2e.site import Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-000.png"
CONFIG = """<View>
  <Image name="image" value="$image"/>
  <KeyPointLabels name="click" toName="image" smartOnly="true"><Label value="Thing" hotkey="d"/></KeyPointLabels>
  <{tag}Labels name="shape" toName="image" smart="false"><Label value="Thing"/></{tag}Labels>
</View>"""


pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize(
    ("kind", "min_iou"), [("Polygon", 0.95), ("Bitmask", 0.95), ("Ellipse", 0.95), ("Rectangle", 0.5)]
)
def test_a_click_becomes_a_saved_region_of_the_projects_kind(
    kind: str, min_iou: float, page: LabelingPage, site: Site
) -> None:
    """The object is an ellipse, so only the rectangle loses much of it."""
    config = CONFIG.format(tag=kind)
    project = site.scene_project(f"Answers as {kind}", SCENE, label_config=config)
    targets = find_targets({SCENE: click_scenes(1)[SCENE]})
    target = max((target for target in targets if target.shape == "ellipse"), key=lambda target: target.mask.sum())
    page.start(project.number, project.tasks[SCENE])
    page.pick("d", "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    (sent,) = page.wait_for_answer().results
    page.screenshot(f"kind-{kind.lower()}-1-suggested")
    page.accept()
    page.submit()

    (saved,) = site.annotation(project.tasks[SCENE])
    assert saved["type"] == sent["type"] == f"{kind.lower()}labels"
    assert saved["value"] == sent["value"]
    (region,) = parse_regions([saved], parse_labeling_config(config).images[0])
    assert region.label == "Thing"
    assert mask_iou(region.mask, target.mask) >= min_iou


@pytest.mark.parametrize("kind", ["Brush", "Polygon", "Bitmask", "Ellipse", "Rectangle"])
def test_predictions_are_shown_and_saved_as_regions_of_the_projects_kind(
    kind: str, page: LabelingPage, site: Site
) -> None:
    config = CONFIG.format(tag=kind)
    project = site.scene_project(f"Predicted as {kind}", SCENE, label_config=config)
    commands.preannotate(project.number, site.command_environment(), quiet=True)
    (prediction,) = site.label_studio.task(project.tasks[SCENE])["predictions"]
    predicted = parse_regions(prediction["result"], parse_labeling_config(config).images[0])
    assert len(predicted) >= 3

    page.open_predicted_task(project.number, project.tasks[SCENE], len(predicted))
    page.screenshot(f"kind-{kind.lower()}-2-predicted")
    assert page.shown.regions() == [(f"{kind.lower()}region", ["Thing"])] * len(predicted)
    page.submit()
    saved = parse_regions(site.annotation(project.tasks[SCENE]), parse_labeling_config(config).images[0])
    assert [region.region_id for region in saved] == [region.region_id for region in predicted]
    for ours, theirs in zip(predicted, saved, strict=True):
        assert np.array_equal(ours.mask, theirs.mask)
