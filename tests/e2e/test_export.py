"""Data sets from a real Label Studio: the command, its files, and the judges that read them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.demo_circle.places import ROOT, USERNAME
from scripts.demo_circle.stage import Opened, Stage
from tests.bulk.annotated import MIXED, SIZE, block, box, brush, point
from tests.export.coco_files import load_file
from tests.export.sets import list_files

NAMES = ("one.png", "two.png", "three.png", "nobody.png")


@pytest.fixture(scope="module")
def project(opened: Opened) -> int:
    """Three annotated tasks, the third a negative, and one that nobody annotated."""
    number = opened.site.create_project("Export", MIXED, "Masks, boxes and key points.")
    pictures = {}
    for shade, name in enumerate(NAMES):
        file = io.BytesIO()
        Image.new("RGB", (SIZE.width, SIZE.height), (40 * shade, 90, 90)).save(file, "PNG")
        pictures[name] = file.getvalue()
    tasks = opened.site.upload_images(number, pictures)
    ring = brush(block(2, 2, 9, 7) & ~block(4, 4, 3, 3), region_id="ring")
    opened.site.annotate(tasks["one.png"], [ring, box(20, 4, 10, 8, region_id="box")])
    tail = point(7, 6, control="pose", label="tail", region_id="tail")
    opened.site.annotate(tasks["two.png"], [brush(block(1, 1, 5, 9), "dog", "dog"), tail])
    opened.site.annotate(tasks["three.png"], [])
    return number


@pytest.mark.timeout(300)
def test_a_project_becomes_data_sets_with_pictures_and_the_same_again(
    opened: Opened, stage: Stage, project: int, tmp_path: Path
) -> None:
    environment, out = stage.command_environment(opened.token), tmp_path / "out"

    def export(*options: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "scripts.export", "--project", str(project), "--out", str(out), *options]
        return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)

    undecided = export()
    assert undecided.returncode == 1
    assert "--keep box" in undecided.stdout
    assert [entry["width"] for entry in json.loads((out / "instances.json").read_text())["images"]] == [40, 40]

    options = ["--keep", "box", "--format", "coco", "--format", "yolo-det", "--with-images"]
    done = export(*options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        f"{out}: 3 images (1 negatives), 3 masks, 1 key points; 1 tasks not annotated, 0 failed"
    )
    coco = load_file(out / "coco" / "instances.json")
    masks = {entry["region_id"]: coco.annToMask(entry).astype(bool) for entry in coco.dataset["annotations"]}
    expected = {
        "ring": block(2, 2, 9, 7) & ~block(4, 4, 3, 3),
        "box": block(20, 4, 10, 8),
        "dog": block(1, 1, 5, 9),
    }
    assert masks.keys() == expected.keys()
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask)
    assert json.loads((out / "coco" / "keypoints.json").read_text())["annotations"][0]["keypoints"][:3] == [7, 6, 2]
    for entry in coco.dataset["images"]:
        with Image.open(out / "coco" / "images" / entry["file_name"]) as picture:
            assert picture.size == (entry["width"], entry["height"])
        stem = Path(entry["file_name"]).stem
        assert (out / "yolo-det" / "labels" / "train" / f"{stem}.txt").exists()
    assert opened.token not in (out / "README.md").read_text() + (out / "export.json").read_text()

    before = list_files(out)
    assert export(*options).returncode == 0
    assert list_files(out) == before

    everyone = export("--keep", "box", "--annotation", "all", "--dry-run")
    assert f"  coco in {USERNAME.replace('@', '-').replace('.', '-')}/" in everyone.stdout.splitlines()
    assert list_files(out) == before
