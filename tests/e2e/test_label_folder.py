"""Files that were labeled without Label Studio, imported into a real one: masks, labels, scores, and the page."""

from __future__ import annotations

import json
import mimetypes
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.stage import Opened
from scripts.demo_circle.targets import click_scene, encode_png
from tests.servers import Answer, Seen, start_local_server

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

LABELS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")


@dataclass(frozen=True)
class Imported:
    """A folder of results, and the project that they were imported into."""

    out: Path
    project: int
    tasks: list[dict[str, Any]]
    summary: dict[str, Any]

    def coco(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.out / "instances.json").read_text())
        return document


@pytest.fixture(scope="module")
def image_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with two pictures of the same name, and the address that it is served at."""
    folder, servers = tmp_path_factory.mktemp("pictures"), list[ThreadingHTTPServer]()
    for place, number in (("indoor", 0), ("street", 1)):
        (folder / place).mkdir()
        (folder / place / "photo 1.png").write_bytes(encode_png(click_scene(number)[1]))

    def respond(seen: Seen, _: BaseHTTPRequestHandler) -> Answer:
        path = folder / unquote(seen.path).lstrip("/")
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": str(mimetypes.guess_type(path.name)[0])}
        return (200, headers, path.read_bytes()) if path.is_file() else (404, {}, b"")

    server = start_local_server(servers)
    server.respond = respond
    yield folder, f"{server.url}/"
    servers[0].shutdown()
    servers[0].server_close()


@pytest.fixture(scope="module")
def imported(opened: Opened, image_url: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """Label the folder with the demo models, and import the results as a person with a script does."""
    folder, url = image_url
    out = tmp_path_factory.mktemp("labeled") / "out"
    argv = [sys.executable, "-m", "scripts.label_folder", str(folder), "--out", str(out), "--image-url", url]
    argv += ["--labels", ",".join(LABELS)]
    environment = {**os.environ, "REDIS_URL": ""}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    site = opened.site
    project = site.create_project("Labeled files", (out / "label_config.xml").read_text(), "")
    tasks = json.loads((out / "predictions.json").read_text())
    summary = site._json("POST", f"/api/projects/{project}/import?return_task_ids=true", json=tasks)
    return Imported(out, project, [site.task(task) for task in summary["task_ids"]], summary)


@pytest.mark.timeout(600)
def test_label_studio_imports_the_predictions_with_masks_labels_and_scores(imported: Imported) -> None:
    coco = imported.coco()
    config = parse_labeling_config((imported.out / "label_config.xml").read_text()).images[0]
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert (imported.summary["task_count"], imported.summary["prediction_count"]) == (2, 2)
    assert [image["file_name"] for image in coco["images"]] == ["indoor/photo 1.png", "street/photo 1.png"]
    for task, image in zip(imported.tasks, coco["images"], strict=True):
        (prediction,) = task["predictions"]
        entries = [entry for entry in coco["annotations"] if entry["image_id"] == image["id"]]
        regions = parse_regions(prediction["result"], config)
        assert task["data"]["image"] == image["coco_url"]
        assert len(regions) >= 5
        assert [(one.region_id, one.label) for one in regions] == [
            (entry["region_id"], names[entry["category_id"]]) for entry in entries
        ]
        for region, entry in zip(regions, entries, strict=True):
            np.testing.assert_array_equal(region.mask, coco_mask.decode(entry["segmentation"]).astype(bool))
        assert prediction["score"] == pytest.approx(min(entry["score"] for entry in entries))
        assert prediction["model_version"].startswith("demo-")


@pytest.mark.timeout(600)
def test_the_page_shows_the_masks_with_their_labels(page: LabelingPage, imported: Imported, opened: Opened) -> None:
    task = imported.tasks[0]
    (prediction,) = task["predictions"]
    body = {"model_version": prediction["model_version"]}  # Project > Settings > Predictions: the version to show
    opened.site._json("PATCH", f"/api/projects/{imported.project}/", json=body)
    page.open_task(imported.project, task["id"])
    page.wait("the masks", lambda: page.shown.regions())
    expected = [("brushregion", one["value"]["brushlabels"]) for one in prediction["result"]]
    assert page.shown.regions() == expected
    assert page.shown.mask_ids() == [one["id"] for one in prediction["result"]]
    page.screenshot("label-folder")
