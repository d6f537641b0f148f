"""YOLO poses: lines by hand, what is left out, and what a labeling config cannot mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from supervision import DetectionDataset

from backend.errors import ExportError
from backend.export import DataSet, KeyPoint, LabeledImage
from backend.export.writers.yolo_pose import YoloPoseWriter
from backend.values import Size
from tests.export.sets import CATEGORIES, disc, image, list_files, region, with_pictures, write

LABELS = "labels/train/photo-task7.txt"
POINTS = ("nose", "tail")
SMALL = Size(4, 8)


def rectangle(region_id: str = "r", label: str = "red") -> object:
    mask = np.zeros((SMALL.height, SMALL.width), bool)
    mask[1:3, 1:3] = True
    return region(mask, label, region_id, kind="rectangle")


def animal(*points: KeyPoint, regions: tuple = ()) -> LabeledImage:
    return image(*(regions or (rectangle(),)), size=SMALL, key_points=points)


def export(folder: Path, *images: LabeledImage, key_points: tuple[str, ...] = POINTS) -> tuple[list[str], list[str]]:
    """Return the lines of task 7 and the notes without the one about pictures."""
    notes = write(YoloPoseWriter(), folder, images, key_points=key_points)
    return (folder / LABELS).read_text().splitlines(), notes[1:]


def test_a_rectangle_with_the_second_of_two_points_is_what_one_writes_by_hand(tmp_path: Path) -> None:
    lines, notes = export(tmp_path / "out", animal(KeyPoint("k", "tail", 2.0, 2.0, "r", 1)))
    assert lines == ["0 0.500000 0.250000 0.500000 0.250000 0 0 0 0.500000 0.250000 2"]
    assert notes == []
    document = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert document["kpt_shape"] == [2, 3]
    assert document["names"] == dict(enumerate(CATEGORIES))


def test_points_are_ordered_by_their_index_not_by_when_they_were_set(tmp_path: Path) -> None:
    tail, nose = KeyPoint("t", "tail", 1.0, 4.0, "r", 0), KeyPoint("n", "nose", 3.0, 2.0, "r", 1)
    lines, _ = export(tmp_path / "out", animal(nose, tail))
    assert lines[0].split()[5:] == ["0.250000", "0.500000", "2", "0.750000", "0.250000", "2"]


def test_without_an_index_the_order_of_the_labels_counts(tmp_path: Path) -> None:
    tail, nose = KeyPoint("t", "tail", 1.0, 4.0, "r"), KeyPoint("n", "nose", 3.0, 2.0, "r")
    lines, _ = export(tmp_path / "out", animal(tail, nose))
    assert lines[0].split()[5:] == ["0.750000", "0.250000", "2", "0.250000", "0.500000", "2"]


def test_each_object_gets_its_own_points_and_one_without_points_none(tmp_path: Path) -> None:
    regions = (rectangle("a"), rectangle("b", "blue"), rectangle("c"))
    points = [KeyPoint("k", "nose", 1.0, 2.0, "b", 0), KeyPoint("l", "nose", 2.0, 4.0, "a", 0)]
    lines, _ = export(tmp_path / "out", animal(*points, regions=regions))
    assert [line.split()[0] for line in lines] == ["0", "2", "0"]
    assert [line.split()[5:8] for line in lines] == [
        ["0.500000", "0.500000", "2"],
        ["0.250000", "0.250000", "2"],
        ["0", "0", "0"],
    ]
    assert all(line.split()[8:] == ["0", "0", "0"] for line in lines)


def test_what_a_pose_cannot_hold_is_left_out_and_counted(tmp_path: Path) -> None:
    brush = region(disc(2, 4, 1, SMALL), region_id="b", kind="brush")
    points = [
        KeyPoint("1", "nose", 1.0, 1.0),
        KeyPoint("2", "nose", 1.0, 1.0, "gone"),
        KeyPoint("3", "nose", 1.0, 2.0, "r"),
        KeyPoint("4", "nose", 3.0, 3.0, "r"),
    ]
    crowd = replace(rectangle("c"), is_crowd=True)  # type: ignore[type-var]
    lines, notes = export(tmp_path / "out", animal(*points, regions=(rectangle(), brush, crowd)))
    assert [line.split()[5:8] for line in lines] == [["0.250000", "0.250000", "2"]]  # the first of two noses
    assert sorted(notes) == [
        "1 further key points of the same label in an object were left out",
        "1 regions of groups (iscrowd) were left out",
        "1 regions that are neither rectangles nor have key points were left out",
        "2 key points that belong to no object were left out",
    ]


def test_a_mask_with_key_points_is_an_object_with_its_box(tmp_path: Path) -> None:
    brush = region(disc(2, 4, 1, SMALL), "green", "b", kind="brush")
    lines, notes = export(tmp_path / "out", animal(KeyPoint("k", "nose", 2.0, 4.0, "b"), regions=(brush,)))
    assert lines == ["1 0.625000 0.562500 0.750000 0.375000 0.500000 0.500000 2 0 0 0"]
    assert notes == []


def test_a_point_beyond_the_picture_is_moved_to_its_border(tmp_path: Path) -> None:
    lines, _ = export(tmp_path / "out", animal(KeyPoint("k", "nose", -0.4, 8.3, "r")))
    assert lines[0].split()[5:8] == ["0.000000", "1.000000", "2"]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (
            KeyPoint("k", "nose", 1.0, 1.0, "r", 5),
            "Task 7: the key point \"k\" with the label 'nose' has the model_index 5, and the labeling config has 2 "
            "labels for key points. Number them from 0 to 1 in the labeling config, or leave out model_index.",
        ),
        (
            KeyPoint("k", "ear", 1.0, 1.0, "r"),
            "Task 7: the key point \"k\" with the label 'ear' has none of the labels for key points in the labeling "
            "config: nose, tail. Assign one of these to it, or restore its label in the labeling config.",
        ),
    ],
)
def test_a_point_without_a_place_in_the_pose_is_refused_by_name(tmp_path: Path, point: KeyPoint, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        export(tmp_path / "out", animal(point))
    assert str(caught.value) == message


def test_a_config_without_key_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        YoloPoseWriter().begin(tmp_path, DataSet("shapes", CATEGORIES))
    assert caught.value.message == (
        "There are no labels of key points that are certainly work, and poses consist of them."
    )
    assert list(tmp_path.iterdir()) == []


def test_supervision_reads_the_boxes_beside_the_points(tmp_path: Path) -> None:
    images = with_pictures([animal(KeyPoint("k", "tail", 2.0, 2.0, "r")), image(task_id=8)], tmp_path / "pictures")
    write(YoloPoseWriter(), tmp_path / "out", images, key_points=POINTS)
    out = tmp_path / "out"
    data_set = DetectionDataset.from_yolo(
        str(out / "images/train"), str(out / "labels/train"), str(out / "data.yaml"), force_masks=False
    )
    (_, _, found), (_, _, none) = data_set
    np.testing.assert_allclose(found.xyxy, [[1, 1, 3, 3]], atol=1e-4)
    assert len(none) == 0


def test_an_empty_data_set_and_two_equal_ones(tmp_path: Path) -> None:
    write(YoloPoseWriter(), tmp_path / "empty", [], key_points=POINTS)
    assert set(list_files(tmp_path / "empty")) == {"data.yaml"}
    for folder in ("a", "b"):
        export(tmp_path / folder, animal(KeyPoint("k", "tail", 2.0, 2.0, "r")))
    assert list_files(tmp_path / "a") == list_files(tmp_path / "b")
