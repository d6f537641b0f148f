"""Roboflow's layout: what pycocotools reads of each split, and the pictures beside it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from backend.export import FORMATS, FormatOptions, KeyPoint
from tests.export.sets import CATEGORIES, disc, image, list_files, region, ring, two_parts, with_pictures, write


def build() -> object:
    return FORMATS["roboflow"].build(FormatOptions())


def load(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_each_split_is_a_folder_with_its_document_and_its_pictures(tmp_path: Path) -> None:
    images = [
        image(region(ring()), region(two_parts(), "blue"), split="train"),
        image(region(disc(20, 30, 12)), task_id=8, split="val"),
        image(task_id=9, split="train"),
    ]
    pictured = with_pictures(images, tmp_path / "pictures")
    notes = write(build(), tmp_path / "out", pictured, splits=("train", "val", "test"))
    assert set(list_files(tmp_path / "out")) == {
        "train/_annotations.coco.json",
        "train/photo-task7.png",
        "train/photo-task9.png",
        "valid/_annotations.coco.json",
        "valid/photo-task8.png",
        "test/_annotations.coco.json",
    }
    assert notes == []
    train = load(tmp_path / "out/train/_annotations.coco.json")
    for entry, mask in zip(train.dataset["annotations"], (ring(), two_parts()), strict=True):
        np.testing.assert_array_equal(train.annToMask(entry).astype(bool), mask)
    for entry in train.dataset["images"]:
        assert (tmp_path / "out/train" / entry["file_name"]).is_file()
    valid = load(tmp_path / "out/valid/_annotations.coco.json")
    assert [entry["file_name"] for entry in valid.dataset["images"]] == ["photo-task8.png"]
    assert load(tmp_path / "out/test/_annotations.coco.json").dataset["annotations"] == []


def test_every_split_has_all_categories_and_none_is_called_none(tmp_path: Path) -> None:
    """RF-DETR takes the categories whose supercategory is not "none" as classes, in the order of their ids."""
    write(build(), tmp_path / "out", [image(region(ring(), "blue"), split="train")], splits=("train", "valid"))
    for split in ("train", "valid"):
        categories = load(tmp_path / "out" / split / "_annotations.coco.json").dataset["categories"]
        assert [entry["name"] for entry in categories if entry["supercategory"] != "none"] == list(CATEGORIES)


def test_key_points_are_left_out_and_counted(tmp_path: Path) -> None:
    labeled = replace(image(region(ring())), key_points=(KeyPoint("k", "nose", 3.0, 4.0),) * 2)
    notes = write(build(), tmp_path / "out", [labeled], key_points=("nose",))
    assert "2 key points were left out" in notes
    assert set(list_files(tmp_path / "out")) == {"train/_annotations.coco.json"}


def test_what_is_missing_for_training_is_told(tmp_path: Path) -> None:
    notes = write(build(), tmp_path / "out", [])
    assert notes == [
        "the pictures are missing: copy them beside the documents, or export them with --with-images",
        "RF-DETR needs the split valid as well: export with splits",
    ]
    assert load(tmp_path / "out/train/_annotations.coco.json").dataset["images"] == []
