"""A person types what to look for and a detector finds it: masks in its boxes, also for words that CLIP cannot read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backend.geometry import mask_iou, mask_to_box
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.models import registry
from backend.values import Region
from scripts.demo_circle.stage import Opened, Stage
from scripts.demo_circle.targets import click_scenes, encode_png
from scripts.demo_world.scenes import SceneObject
from scripts.preannotate import main as preannotate
from tests.e2e.known_boxes import ENTRY, NAME, Boxes, write_folder
from tests.e2e.other_backend import OtherBackend, other_backend
from tests.e2e.site import LABEL_CONFIG, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE = "scene-000.png"
CONFIG = parse_labeling_config(LABEL_CONFIG).images[0]
SCORES = {"red circle": 0.83, "pink ring": 0.71, "yellow ring": 0.64}
pytestmark = pytest.mark.timeout(900)


def boxed(*class_names: str) -> list[tuple[tuple[float, ...], float]]:
    """The true boxes of objects, with scores that no other model gives."""
    things = {thing.class_name: thing for thing in click_scenes(1)[SCENE].objects}
    return [(mask_to_box(things[name].mask), SCORES[name]) for name in class_names]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that knows one picture, in which rings are wheels, too."""
    names: Boxes = {"wheel": boxed("pink ring", "yellow ring"), "red circle": boxed("red circle")}
    names |= {name.split()[0]: boxed(name) for name in SCORES}  # by their colours, which are the project's labels
    return write_folder(tmp_path_factory.mktemp("detector") / NAME, [(click_scenes(1)[SCENE].pixels, names)])


@pytest.fixture(scope="module")
def backend(stage: Stage, opened: Opened, folder: Path) -> Iterator[OtherBackend]:
    app = "tests.e2e.known_boxes_app:app"
    with other_backend(stage, opened, app, DETECTOR=NAME, DETECTOR_CHECKPOINT=folder) as backend:
        yield backend


def find_object(region: Region) -> tuple[SceneObject, float]:
    """The object that a saved region covers best, and their IoU."""
    pairs = [(thing, mask_iou(region.mask, thing.mask)) for thing in click_scenes(1)[SCENE].objects]
    return max(pairs, key=lambda pair: pair[1])


def check_masks(regions: list[Region]) -> None:
    """Check that the objects with known boxes have masks with their labels and classes, and the boxes' scores."""
    found = [(region, *find_object(region)) for region in regions]
    assert {thing.class_name: region.score for region, thing, _ in found} == pytest.approx(SCORES)
    assert len(found) == len(SCORES) and min(iou for *_, iou in found) >= 0.75
    assert [(one.label, one.choices["class"]) for one, *_ in found] == [
        (thing.colour, (thing.class_name,)) for _, thing, _ in found
    ]


def test_typed_texts_become_saved_masks_in_the_detectors_boxes(
    page: LabelingPage, site: Site, backend: OtherBackend
) -> None:
    images = {SCENE: encode_png(click_scenes(1)[SCENE])}
    project = site.make_project("Find with a detector", images, backend_url=backend.url)
    page.start(project.number, project.tasks[SCENE])
    assert backend.health()["detector"].startswith(f"{NAME} (SHA-256 ")

    for place, (text, message, count) in enumerate(
        (
            ("the red circle", '1 object matches "the red circle".', 1),
            ("all wheels", '2 objects match "all wheels".', 2),
            ("a blue star", 'Nothing matches "a blue star".', 0),
        ),
        start=1,
    ):
        page.enter_text(text)
        answer = page.wait_for_answer()
        page.wait(f"the message {message}", lambda message=message: page.shown.message() == message)
        page.screenshot(f"detector-{place}")
        assert len(answer.masks) == count
        if count:
            assert re.search(rf"\+{NAME}-[0-9a-f]{{8}}$", answer.model_version), answer
            page.accept()
    assert [kind for kind, _ in page.shown.regions()] == ["brushregion"] * 3
    page.submit()
    check_masks(parse_regions(site.annotation(project.tasks[SCENE]), CONFIG))


def test_classes_of_the_labeling_config_are_searched_in_bulk_with_the_detector_in_the_model_version(
    opened: Opened, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, scenes = opened.site, click_scenes(2)
    project = site.create_project("Search with a detector", LABEL_CONFIG, "")
    tasks = site.upload_images(project, {name: encode_png(scene) for name, scene in scenes.items()})
    monkeypatch.setitem(registry.DETECTORS, NAME, ENTRY)
    settings = {"DETECTOR": NAME, "DETECTOR_CHECKPOINT": folder, "RUNS_DIR": tmp_path, "TORCH_THREADS": 1}
    settings |= {"LABEL_STUDIO_URL": site.url, "LABEL_STUDIO_API_KEY": opened.token, "REDIS_URL": ""}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    assert preannotate(["--project", str(project), "--text-from-labels"]) == 0
    said = capsys.readouterr().out
    (version,) = re.findall("^Model version (.*)$", said, re.MULTILINE)
    assert re.search(rf"\+{NAME}-[0-9a-f]{{8}}-auto-", version)
    assert "created 2 (1 without a mask), skipped 0, failed 0" in said
    (known,) = site.task(tasks[SCENE])["predictions"]
    assert known["model_version"] == version
    check_masks(parse_regions(known["result"], CONFIG))
