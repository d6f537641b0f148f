"""Key points as COCO annotations of their own, read by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from backend.export import KeyPoint
from backend.export.identities import AnnotationIds
from backend.export.writers.coco import CocoWriter
from tests.export.coco_files import judge_itself, load_file
from tests.export.sets import image, list_files, region, ring, two_parts, write

NAMES = ("head", "tail")


def point(label: str, x: float, y: float, region_id: str = "k", **fields: Any) -> KeyPoint:
    return KeyPoint(region_id, label, x, y, **fields)


def poses_of(folder: Path, *images: Any, names: tuple[str, ...] = NAMES) -> list[dict[str, Any]]:
    write(CocoWriter(), folder / "out", images, key_points=names)
    document: dict[str, Any] = json.loads((folder / "out" / "keypoints.json").read_text())
    poses: list[dict[str, Any]] = document["annotations"]
    return poses


def test_a_lone_point_is_an_annotation_of_its_own_label(tmp_path: Path) -> None:
    (pose,) = poses_of(tmp_path, image(key_points=(point("tail", 3, 4, annotation_id=5),)))
    assert (pose["keypoints"], pose["num_keypoints"]) == ([0, 0, 0, 3, 4, 2], 1)
    assert (pose["bbox"], pose["area"], pose["region_id"]) == ([3, 4, 0, 0], 0, "k")
    assert pose["id"] == AnnotationIds().take(5, "k")
    categories = json.loads((tmp_path / "out" / "keypoints.json").read_text())["categories"]
    assert [(entry["id"], entry["name"]) for entry in categories][-2:] == [(4, "head"), (5, "tail")]
    assert pose["category_id"] == 5
    assert all(entry["keypoints"] == ["head", "tail"] for entry in categories)


def test_points_of_one_region_are_one_pose_with_the_id_of_the_region(tmp_path: Path) -> None:
    points = (point("tail", 9, 8, "k1", parent_id="r"), point("head", 1, 2, "k2", parent_id="r"))
    (pose,) = poses_of(tmp_path, image(region(ring(), "green"), key_points=points))
    instances = json.loads((tmp_path / "out" / "instances.json").read_text())
    (instance,) = instances["annotations"]
    assert pose["keypoints"] == [1, 2, 2, 9, 8, 2]
    for name in ("id", "image_id", "category_id", "area", "bbox", "region_id"):
        assert pose[name] == instance[name]


def test_a_second_point_for_the_same_place_stands_alone(tmp_path: Path) -> None:
    points = (point("tail", 9, 8, "k1", parent_id="r"), point("tail", 1, 2, "k2", parent_id="r"))
    poses = poses_of(tmp_path, image(region(ring()), key_points=points))
    assert {pose["region_id"]: pose["num_keypoints"] for pose in poses} == {"r": 1, "k2": 1}


def test_a_point_whose_region_is_not_exported_stands_alone_and_is_counted(tmp_path: Path) -> None:
    erased = region(np.zeros_like(ring()), region_id="gone")
    points = (point("tail", 9, 8, "k1", parent_id="gone"), point("head", 1, 2, "k2", parent_id="r"))
    notes = write(CocoWriter(), tmp_path / "out", [image(erased, region(ring()), key_points=points)], key_points=NAMES)
    assert notes == ["2 key points are in keypoints.json, 1 of them without a pose"]


def test_there_is_no_file_where_there_are_no_key_points(tmp_path: Path) -> None:
    """A labeling config may have key points only to click with."""
    notes = write(CocoWriter(), tmp_path / "out", [image(region(ring()))], key_points=NAMES)
    assert list(list_files(tmp_path / "out")) == ["instances.json"]
    assert notes == []


def test_cocoeval_finds_the_poses_and_still_reads_the_instances(tmp_path: Path) -> None:
    points = (point("tail", 9, 8, "k1", parent_id="r"), point("head", 1, 2, "k2", parent_id="s"), point("head", 5, 6))
    poses_of(tmp_path, image(region(ring()), region(two_parts(), "blue", "s"), key_points=points))
    truth = load_file(tmp_path / "out" / "keypoints.json")
    with contextlib.redirect_stdout(io.StringIO()):
        detections = truth.loadRes([{**entry, "score": 1.0} for entry in truth.dataset["annotations"]])
        evaluation = COCOeval(truth, detections, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array([0.05, 0.05])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]
    assert sorted({evaluation.params.catIds[k] for k in np.argwhere(precision > -1)[:, 2]}) == [1, 3, 4]
    assert precision[precision > -1].min() == pytest.approx(1, abs=1e-9)
    instances = judge_itself(load_file(tmp_path / "out" / "instances.json"), "segm").eval["precision"]
    assert instances[instances > -1].min() == pytest.approx(1, abs=1e-9)
