"""A data set goes into the real Label Studio and comes back: as annotations, and as predictions of a version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.export import KeyPoint, LabeledImage, build_file_name, read_coco
from backend.label_studio.api import LabelStudioClient
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.stage import Opened
from scripts.export import main as export
from scripts.import_annotations import main as import_annotations
from tests.export.sets import SIZE, one_pixel, region, ring, two_parts
from tests.importing.projects import CONFIG, write_coco

Json = dict[str, Any]
BOX = "0123456789abcdef"
KEY_POINTS = ("nose", "tail")


def comparable(folder: Path, name: str) -> Json:
    """A file of a data set without the ids that depend on the annotation's."""
    document: Json = json.loads((folder / name).read_text())
    for image in document["images"]:
        del image["annotation_id"]
    for annotation in document["annotations"]:
        del annotation["id"]
    return document


def draw_images(uris: dict[int, str]) -> list[LabeledImage]:
    """Regions of all kinds in the first task, none in the second."""
    first, second = uris
    box = np.zeros((SIZE.height, SIZE.width), bool)
    box[8:20, 16:32] = True
    regions = (
        region(ring(), "red", "r1", kind="brush", choices={"breed": ("pug",)}, score=0.75),
        region(two_parts(), "blue", "r2", kind="polygon", score=0.5),
        region(box, "green", BOX, kind="rectangle"),
        region(one_pixel(0, 47), "green", "r4", kind="brush"),
    )
    points = (KeyPoint("p1", "tail", 4.0, 4.5), KeyPoint("p2", "nose", 17.0, 10.5, parent_id=BOX))
    common: Json = {"size": SIZE, "annotation_id": None}
    names = {task: build_file_name(uri, task) for task, uri in uris.items()}
    return [
        LabeledImage(
            names[first],
            task_id=first,
            image_id=first,
            image_uri=uris[first],
            regions=regions,
            key_points=points,
            **common,
        ),
        LabeledImage(
            names[second],
            task_id=second,
            image_id=second,
            image_uri=uris[second],
            choices={"light": ("night",)},
            **common,
        ),
    ]


@pytest.mark.timeout(600)
def test_a_data_set_is_imported_once_and_exported_as_it_was(
    opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = LabelStudioClient(opened.site.url, opened.token)
    project = opened.site.create_project("Import", CONFIG, "")
    path = f"/api/projects/{project}/import?return_task_ids=true"
    addresses = [f"https://images.invalid/{name}.png" for name in ("first", "second")]
    body = json.dumps([{"image": address} for address in addresses]).encode()
    tasks: list[int] = client.requests.post_once(path, path, body, 60.0)["task_ids"]
    images = draw_images(dict(zip(tasks, addresses, strict=True)))
    before = write_coco(tmp_path / "before", images, key_points=KEY_POINTS)

    monkeypatch.setenv("RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("LABEL_STUDIO_URL", opened.site.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", opened.token)
    options = ["--project", str(project), "--format", "coco", str(before)]
    for expected in ("created 2 (1 without a mask), skipped 0", "created 0, skipped 2"):
        assert import_annotations([*options, "--model-version", "other-model"]) == 0
        assert expected in capsys.readouterr().out
    (prediction,) = opened.site.task(tasks[0])["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("other-model", 0.5)
    found = parse_regions(prediction["result"], parse_labeling_config(CONFIG).images[0])
    saved = {one.region_id: one.mask for one in found}
    for drawn in images[0].regions:
        np.testing.assert_array_equal(saved[drawn.region_id], drawn.decode_mask())

    for expected in ("created 2, skipped 0", "created 0, skipped 2"):
        assert import_annotations([*options, "--as", "annotations"]) == 0
        assert expected in capsys.readouterr().out
    assert [len(opened.site.task(task)["annotations"]) for task in tasks] == [1, 1]
    after = tmp_path / "after"
    assert export(["--project", str(project), "--out", str(after)]) == 0
    for name in ("instances.json", "keypoints.json"):
        left, right = comparable(after, name), comparable(before, name)
        left["info"] = right["info"]  # the project's title
        assert left == right
    assert read_coco(after).labels == {"red": 1, "blue": 1, "green": 2}
