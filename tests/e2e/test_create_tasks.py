"""A data set with pictures goes from one project of the real Label Studio into a new one: once, and as it was."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.export import LabeledImage, build_file_name
from backend.label_studio.api import NewTaskClient, TaskListing
from scripts.demo_circle.stage import Opened
from scripts.export import main as export
from scripts.import_annotations import main as import_annotations
from tests.export.sets import SIZE, one_pixel, region, ring, two_parts
from tests.importing.projects import CONFIG, write_coco

Json = dict[str, Any]
MASKS = {
    "a photo (1).png": {"r1": ring(), "r2": two_parts()},
    "Übersicht.png": {"r3": one_pixel(0, 47)},
    "日本.png": {"r4": ring()},
}


def draw_picture(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (SIZE.height, SIZE.width, 3), np.uint8)).save(
        file, "PNG"
    )
    return file.getvalue()


def regions_of(folder: Path) -> dict[str, Json]:
    """What a data set says of each region, by its id, with its picture, without ids that depend on its task."""
    document: Json = json.loads((folder / "instances.json").read_text())
    labels = {one["id"]: one["name"] for one in document["categories"]}
    pictures = {one["id"]: (folder / "images" / one["file_name"]).read_bytes() for one in document["images"]}
    return {
        one["region_id"]: {key: one[key] for key in ("segmentation", "area", "bbox", "kind")}
        | {"label": labels[one["category_id"]], "picture": pictures[one["image_id"]]}
        for one in document["annotations"]
    }


@pytest.mark.timeout(600)
def test_a_data_set_with_pictures_fills_a_new_project_once(
    opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("LABEL_STUDIO_URL", opened.site.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", opened.token)
    first = opened.site.create_project("With pictures", CONFIG, "")
    images = {name: draw_picture(number) for number, name in enumerate(MASKS)}
    opened.site.upload_images(first, images)
    tasks = [opened.site.task(task) for task in sorted(opened.site.tasks_by_name(first).values())]
    drawn = [
        LabeledImage(
            build_file_name(task["data"]["image"], task["id"]),
            SIZE,
            task["id"],
            None,
            tuple(region(mask, "red", number, kind="brush") for number, mask in masks.items()),
            image_uri=task["data"]["image"],
            image_id=task["id"],
        )
        for task, masks in zip(tasks, MASKS.values(), strict=True)
    ]
    made = write_coco(tmp_path / "made", drawn)
    options = ["--format", "coco", "--as", "annotations"]
    assert import_annotations(["--project", str(first), *options, str(made)]) == 0
    before = tmp_path / "before"
    assert export(["--project", str(first), "--out", str(before), "--with-images"]) == 0

    second = opened.site.create_project("Filled", CONFIG, "")
    command = ["--project", str(second), *options, str(before), "--create-tasks"]
    capsys.readouterr()
    for expected in (
        "3 images: 0 matched to tasks, 3 without one, 0 not\ncreated 3 tasks, failed 0\ncreated 3, skipped 0",
        "created 0, skipped 3",
    ):
        assert import_annotations(command) == 0
        assert expected in (said := capsys.readouterr().out)
        assert "were not compared" not in said
    after = tmp_path / "after"
    assert export(["--project", str(second), "--out", str(after), "--with-images"]) == 0
    assert regions_of(after) == regions_of(before) and len(regions_of(after)) == 4
    assert {one["picture"] for one in regions_of(after).values()} == set(images.values())

    for picture in (before / "images").iterdir():
        picture.write_bytes(draw_picture(99))
    assert import_annotations(command) == 1
    said = capsys.readouterr().err
    assert "3 pictures are not those of the tasks with their names, so nothing was sent" in said
    assert f"but task {min(opened.site.tasks_by_name(second).values())} shows /data/upload/{second}/" in said


@pytest.mark.timeout(600)
def test_a_thousand_uploaded_pictures_are_listed(opened: Opened) -> None:
    client = NewTaskClient(opened.site.url, opened.token)
    project = opened.site.create_project("A thousand", CONFIG, "")
    content = draw_picture(0)
    created = [
        client.upload(str(project), [(f"{hundred}-{number}.png", content) for number in range(100)])
        for hundred in range(10)
    ]
    assert [task["id"] for task in TaskListing(client).iterate(project)] == [task for ids in created for task in ids]
