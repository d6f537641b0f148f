"""Ultralytics' label files are read; what is wrong with one is said with its line."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from backend.errors import BadDataSet
from backend.export import FoundDataSet, read_yolo
from backend.export.writers.yolo_det import YoloDetWriter
from backend.export.writers.yolo_seg import MAX_POINTS, YoloSegWriter
from backend.geometry import bridged_outline_to_mask, mask_iou, mask_to_bridged_outline
from backend.values import Size
from tests.export.found import read, read_leniently
from tests.export.sets import SIZE, disc, image, region, with_pictures, write

SQUARE = "0 0.3125 0.3125 0.3125 0.5625 0.5625 0.5625 0.5625 0.3125"  # pixels (1, 1) to (2, 2) of 4x4


def found(folder: Path, *lines: str, names: str = "names: [red, blue]\n") -> FoundDataSet:
    (folder / "labels" / "train").mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(names)
    (folder / "labels" / "train" / "a.txt").write_text("".join(f"{line}\n" for line in lines))
    return read_yolo(folder)


def test_lines_are_outlines_or_boxes_with_or_without_scores(tmp_path: Path) -> None:
    data_set = found(tmp_path, SQUARE, f"{SQUARE} 0.75", "1 0.5 0.5 0.5 0.5", "1 0.5 0.5 0.5 0.5 0.25", "")
    (one,) = data_set.images
    regions = read(one, Size(4, 4)).regions
    expected = np.zeros((4, 4), bool)
    expected[1:3, 1:3] = True
    for region_ in regions:
        np.testing.assert_array_equal(region_.decode_mask(), expected)
    assert [(one.label, one.score, one.kind) for one in regions] == [
        ("red", None, ""),
        ("red", 0.75, ""),
        ("blue", None, "rectangle"),
        ("blue", 0.25, "rectangle"),
    ]
    assert len({one.region_id for one in regions}) == 4
    assert (data_set.labels, one.file_name, one.has_ending, one.size) == ({"red": 2, "blue": 2}, "a", False, None)


@pytest.mark.parametrize("names", ["names:\n  0: red\n  1: blue\n", "names:\n- red\n- blue\n", 'names: {0: "red"}\n'])
def test_names_are_written_in_any_way_of_yaml(tmp_path: Path, names: str) -> None:
    (one,) = found(tmp_path, SQUARE, names=names).images
    assert read(one, Size(4, 4)).regions[0].label == "red"


def test_what_the_writers_write_is_read_with_its_size(tmp_path: Path) -> None:
    pictured = with_pictures([image(region(disc(30, 20, 9), "blue")), image(task_id=8)], tmp_path / "pictures")
    write(YoloSegWriter(), tmp_path / "seg", pictured)
    write(YoloDetWriter(), tmp_path / "det", pictured)
    outlined, boxed = read_yolo(tmp_path / "seg").images, read_yolo(tmp_path / "det").images
    assert [(one.file_name, one.size) for one in outlined] == [("photo-task7", SIZE), ("photo-task8", SIZE)]
    (back,) = read(outlined[0]).regions
    assert back.label == "blue" and mask_iou(back.decode_mask(), disc(30, 20, 9)) == 1.0
    assert read(boxed[0]).regions[0].bbox == back.bbox
    assert read(outlined[1]).regions == ()


def test_an_oriented_box_over_the_border_is_read_as_its_part_inside(tmp_path: Path) -> None:
    """A square on its tip around the upper left pixel: (-2, 0), (0, -2), (2, 0), (0, 2) and what they enclose."""
    (one,) = found(tmp_path, "0 -0.4 0.1 0.1 -0.4 0.6 0.1 0.1 0.6").images
    (back,) = read(one, Size(4, 4)).regions
    assert np.argwhere(back.decode_mask()).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [2, 0]]


@settings(deadline=None, max_examples=40)
@given(npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=2, max_side=24)).filter(np.any))
def test_an_outline_is_read_as_the_writer_measured_it(mask: np.ndarray) -> None:
    size = Size(mask.shape[1], mask.shape[0])
    with tempfile.TemporaryDirectory() as folder:
        write(YoloSegWriter(), Path(folder, "out"), [image(region(mask), size=size)])
        (back,) = read(read_yolo(Path(folder, "out")).images[0], size).regions
    outline = mask_to_bridged_outline(mask, MAX_POINTS)
    np.testing.assert_array_equal(back.decode_mask(), bridged_outline_to_mask(outline, size))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.1 0.1", "has an outline with 1 points, but three are needed."),
        ("2 0.5 0.5 0.5 0.5", "has the class 2, and data.yaml names 2 classes."),
        ("red 0.5 0.5 0.5 0.5", "has the class red, and data.yaml names 2 classes."),
        ("0 0.5 0.5 x 0.5", "has something else than numbers"),
        ("0 0.5 0.5 nan 0.5", "has a number that is not finite"),
        ("0 -0.8 0.1 0.2 0.1 0.2 0.5 -0.8 0.5", "has coordinates that are no shares of the picture's width and height"),
        ("0 -0.1 0.1 1.1 0.1 1.1 0.5 -0.1 0.5", "has coordinates that are no shares of the picture's width and height"),
        ("0 20 30 5 5", "has coordinates that are no shares of the picture's width and height (0 to 1)."),
        ("0 0.5 0.5 0 0.5", "has a box that covers no pixel of the image"),
    ],
)
def test_a_bad_line_is_named_and_costs_only_itself(tmp_path: Path, line: str, message: str) -> None:
    (one,) = found(tmp_path, SQUARE, line).images
    regions, bad = read_leniently(replace(one, size=Size(4, 4)))
    assert len(regions.regions) == 1 and len(bad) == 1
    assert bad[0].startswith(f"Line 2 of label file labels/train/a.txt {message}")


@pytest.mark.parametrize(
    ("names", "message"),
    [("names: [", "is no YAML"), ("train: images\n", 'its "names" are None'), ("names: {a: b}\n", "names no classes")],
)
def test_a_data_yaml_without_classes_is_refused(tmp_path: Path, names: str, message: str) -> None:
    with pytest.raises(BadDataSet) as refused:
        found(tmp_path, SQUARE, names=names)
    assert message in refused.value.message


def test_a_folder_without_labels_or_data_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataSet, match=r"data\.yaml cannot be read: No such file"):
        read_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("names: [red]\n")
    with pytest.raises(BadDataSet, match="has no label files"):
        read_yolo(tmp_path)
