"""Clicks, boxes, an Alt+click and automatic masks with a family of transformers, from the page to the exported file.

The model is a tiny one with random weights, so nothing is said of where its masks are: only that they are the model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pycocotools.coco import COCO

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import decode_brush, parse_regions
from backend.values import Mask, Size
from scripts.demo_circle.stage import Opened, Stage
from scripts.demo_circle.targets import click_scenes, encode_png
from scripts.export import main as export
from scripts.preannotate import main as preannotate
from tests.e2e.objects import KEYS, corners, find_target, middle
from tests.e2e.other_backend import OtherBackend, other_backend
from tests.e2e.site import LABEL_CONFIG, Site
from tests.models.transformers_sam.tiny_models import build_tiny, write_folder

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE, MODEL = "scene-000.png", "edgetam"
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SIZE = Size(640, 480)
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("weights") / MODEL, MODEL, build_tiny(MODEL).state_dict())


@pytest.fixture(scope="module")
def backend(stage: Stage, opened: Opened, checkpoint: Path) -> Iterator[OtherBackend]:
    with other_backend(stage, opened, SAM_MODEL=MODEL, SAM_CHECKPOINT=checkpoint) as backend:
        yield backend


def the_answer(page: LabelingPage) -> tuple[str, Mask]:
    """The id and the mask of the one suggestion that comes."""
    ((region, rle),) = page.wait_for_answer().masks.items()
    return region, decode_brush(list(rle), SIZE)


def test_clicks_and_a_box_are_answered_accepted_saved_and_exported(
    page: LabelingPage, site: Site, backend: OtherBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {SCENE: encode_png(click_scenes(1)[SCENE])}
    project = site.make_project("Another family", images, backend_url=backend.url)
    clicked, boxed = find_target(SCENE, "pink ring"), find_target(SCENE, "purple ellipse")
    page.start(project.number, project.tasks[SCENE])

    page.pick(KEYS[clicked.colour], "KeyPointTool")
    page.click(*middle(clicked.mask))
    _, first = the_answer(page)
    page.screenshot("edgetam-1-click")
    page.pick(KEYS[clicked.colour], "KeyPointTool")
    page.click(*middle(first), alt=True)
    again, corrected = the_answer(page)
    page.screenshot("edgetam-2-alt-click")
    assert corrected.any() and not np.array_equal(first, corrected)
    page.accept()

    page.pick(KEYS[boxed.colour], "RectangleTool")
    page.drag(*corners(boxed.mask))
    other, in_box = the_answer(page)
    page.screenshot("edgetam-3-box")
    page.accept()
    page.screenshot("edgetam-4-accepted")
    page.submit()

    saved = {one.region_id: one for one in parse_regions(site.annotation(project.tasks[SCENE]), CONFIG)}
    assert {name: one.label for name, one in saved.items()} == {again: clicked.colour, other: boxed.colour}
    assert np.array_equal(saved[again].mask, corrected) and np.array_equal(saved[other].mask, in_box)
    monkeypatch.setenv("LABEL_STUDIO_URL", site.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", site.opened.token)
    assert export(["--project", str(project.number), "--out", str(tmp_path / "set")]) == 0
    coco = COCO(str(tmp_path / "set" / "instances.json"))
    exported = {entry["region_id"]: coco.annToMask(entry).astype(bool) for entry in coco.anns.values()}
    assert {name: int(mask.sum()) for name, mask in exported.items()} == {
        again: int(corrected.sum()),
        other: int(in_box.sum()),
    }
    assert backend.health()["sam"].startswith(f"{MODEL} (family edgetam, SHA-256 ")
    page.look_at(backend.url_with_login)
    assert f"{MODEL} (family edgetam, SHA-256 " in page.text()
    page.driver.execute_script("scrollTo(0, 99999)")
    page.screenshot("edgetam-5-status-page")


def test_automatic_masks_of_a_project_arrive_once(
    opened: Opened,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, scenes = opened.site, click_scenes(3)
    project = site.create_project("Automatic masks of another family", LABEL_CONFIG, "")
    tasks = site.upload_images(project, {name: encode_png(scene) for name, scene in scenes.items()})
    settings = {"SAM_MODEL": MODEL, "SAM_CHECKPOINT": checkpoint, "RUNS_DIR": tmp_path, "TORCH_THREADS": 1}
    settings |= {"LABEL_STUDIO_URL": site.url, "LABEL_STUDIO_API_KEY": opened.token, "REDIS_URL": ""}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    options = ["--project", str(project), "--points-per-side", "8"]
    options += ["--pred-iou-thresh", "0", "--stability-score-thresh", "0", "--max-masks", "5"]
    assert preannotate(options) == 0
    said = capsys.readouterr().out
    (version,) = re.findall("^Model version (.*)$", said, re.MULTILINE)
    assert version.startswith(f"{MODEL}-")
    assert re.search(r"^Estimated time of the masks: .*\b64 points in .+ for 3 tasks\.", said, re.MULTILINE)
    assert "created 3, skipped 0, failed 0" in said
    assert preannotate(options) == 0
    assert "created 0, skipped 3, failed 0" in capsys.readouterr().out
    for task in tasks.values():
        (prediction,) = site.task(task)["predictions"]
        assert prediction["model_version"] == version
        assert 1 <= len(parse_regions(prediction["result"], CONFIG)) <= 5
