"""YOLO boxes, upright and oriented: lines by hand, and what supervision reads of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from supervision import DetectionDataset

from backend.export import FORMATS, FormatOptions, Writer
from backend.values import Size
from tests.export.sets import disc, image, list_files, one_pixel, region, ring, two_parts, with_pictures, write

LABELS = "labels/train/photo-task7.txt"


def build(name: str) -> Writer:
    return FORMATS[name].build(FormatOptions())


def square() -> np.ndarray:
    mask = np.zeros((8, 4), bool)
    mask[1:3, 1:3] = True
    return mask


def test_a_square_of_four_pixels_is_the_box_that_one_writes_by_hand(tmp_path: Path) -> None:
    write(build("yolo-det"), tmp_path / "out", [image(region(square(), "green"), size=Size(4, 8))])
    assert (tmp_path / "out" / LABELS).read_text() == "1 0.500000 0.250000 0.500000 0.250000\n"


def test_supervision_reads_every_box_class_and_negative(tmp_path: Path) -> None:
    regions = [region(ring()), region(two_parts(), "blue"), region(one_pixel(63, 47), "green")]
    images = with_pictures([image(*regions), image(task_id=8)], tmp_path / "pictures")
    write(build("yolo-det"), tmp_path / "out", images)
    out = tmp_path / "out"
    data_set = DetectionDataset.from_yolo(
        str(out / "images/train"), str(out / "labels/train"), str(out / "data.yaml"), force_masks=False
    )
    (_, _, found), (_, _, none) = data_set
    boxes = [(x, y, x + width, y + height) for x, y, width, height in (one.bbox for one in regions)]
    np.testing.assert_allclose(found.xyxy, boxes, atol=1e-3)
    assert found.class_id.tolist() == [0, 2, 1]
    assert len(none) == 0


def test_an_oriented_box_of_a_square_is_the_square(tmp_path: Path) -> None:
    write(build("yolo-obb"), tmp_path / "out", [image(region(square(), "green"), size=Size(4, 8))])
    class_id, *values = (tmp_path / "out" / LABELS).read_text().split()
    assert class_id == "1"
    corners = np.array(values, float).reshape(4, 2)
    assert sorted(map(tuple, corners.tolist())) == [(0.25, 0.125), (0.25, 0.375), (0.75, 0.125), (0.75, 0.375)]
    sides = np.linalg.norm((np.roll(corners, -1, axis=0) - corners) * (4, 8), axis=1)
    assert sides.tolist() == [2, 2, 2, 2]  # so the corners follow the border


def test_supervision_reads_a_drawn_rotated_rectangle_corner_by_corner(tmp_path: Path) -> None:
    """A square of side 10 * sqrt(2) on its tip: what was drawn, not what its pixels are."""
    corners = ((30.0, 10.0), (40.0, 20.0), (30.0, 30.0), (20.0, 20.0))
    drawn = replace(region(disc(30, 20, 9)), kind="rectangle", outline=corners)
    images = with_pictures([image(drawn)], tmp_path / "pictures")
    notes = write(build("yolo-obb"), tmp_path / "out", images)
    out = tmp_path / "out"
    data_set = DetectionDataset.from_yolo(
        str(out / "images/train"), str(out / "labels/train"), str(out / "data.yaml"), is_obb=True
    )
    ((_, _, found),) = data_set
    np.testing.assert_allclose(found.data["xyxyxyxy"][0], corners, atol=1e-3)
    assert notes == []


def test_a_polygon_of_four_corners_is_no_drawn_rectangle(tmp_path: Path) -> None:
    outline = ((30.0, 10.0), (40.0, 20.0), (30.0, 30.0), (20.0, 20.0))
    drawn = replace(region(one_pixel(5, 5)), kind="polygon", outline=outline)
    write(build("yolo-obb"), tmp_path / "out", [image(drawn)])
    values = np.array((tmp_path / "out" / LABELS).read_text().split()[1:], float).reshape(4, 2) * (64, 48)
    assert values.min(axis=0) == pytest.approx([5, 5], abs=1e-3)
    assert values.max(axis=0) == pytest.approx([6, 6], abs=1e-3)


Corners = tuple[tuple[float, float], ...]


def export_rectangle(folder: Path, corners: Corners) -> tuple[np.ndarray, list[str]]:
    """Return the corners of a drawn rectangle in pixels as they are written, and the notes."""
    drawn = replace(region(one_pixel(0, 0)), kind="rectangle", outline=corners)
    notes = write(build("yolo-obb"), folder, [image(drawn, region(ring()))])
    first = (folder / LABELS).read_text().splitlines()[0]
    return np.array(first.split()[1:], float).reshape(4, 2) * (64, 48), notes[1:]


@pytest.mark.parametrize(
    "corners",
    [
        ((-10.0, 10.0), (10.0, -10.0), (30.0, 10.0), (10.0, 30.0)),  # a square on its tip, over the upper left corner
        ((50.0, 40.0), (70.0, 40.0), (70.0, 50.0), (50.0, 50.0)),  # over the lower right corner
        ((-31.0, 0.0), (32.0, 0.0), (32.0, 47.0), (-31.0, 47.0)),  # its centre is just inside
    ],
)
def test_a_box_over_the_border_keeps_its_corners(tmp_path: Path, corners: Corners) -> None:
    """Ultralytics checks the centre and the size of the upright box around the corners, not the corners."""
    written, notes = export_rectangle(tmp_path / "out", corners)
    np.testing.assert_allclose(written, corners, atol=1e-3)
    assert notes == []


@pytest.mark.parametrize(
    ("corners", "moved"),
    [
        (
            ((-5.0, 4.0), (4.0, -5.0), (70.0, 20.0), (20.0, 50.0)),  # wider and higher than the picture
            ((0, 4), (4, 0), (64, 20), (20, 48)),
        ),
        (
            ((-30.0, 1.0), (10.0, 1.0), (10.0, 9.0), (-30.0, 9.0)),  # its centre is left of the picture
            ((0, 1), (10, 1), (10, 9), (0, 9)),
        ),
        (
            ((10.0, 40.0), (20.0, 40.0), (20.0, 70.0), (10.0, 70.0)),  # its centre is below
            ((10, 40), (20, 40), (20, 48), (10, 48)),
        ),
        (
            ((-1.0, 10.0), (63.0, 10.0), (63.0, 20.0), (-1.0, 20.0)),  # as wide as the picture: rounding may exceed it
            ((0, 10), (63, 10), (63, 20), (0, 20)),
        ),
    ],
)
def test_corners_of_a_box_that_ultralytics_refuses_are_moved_to_the_border_and_counted(
    tmp_path: Path, corners: Corners, moved: Corners
) -> None:
    written, notes = export_rectangle(tmp_path / "out", corners)
    np.testing.assert_allclose(written, moved, atol=1e-3)
    assert notes == ["1 boxes reach farther outside than Ultralytics accepts; their corners were moved to the border"]


def test_a_mask_that_fills_the_picture_reaches_not_beyond_it(tmp_path: Path) -> None:
    notes = write(build("yolo-obb"), tmp_path / "out", [image(region(np.ones((48, 64), bool)))])
    assert len(notes) == 1


@pytest.mark.parametrize("name", ["yolo-det", "yolo-obb"])
def test_groups_and_empty_masks_are_left_out_and_groups_are_counted(tmp_path: Path, name: str) -> None:
    crowd = replace(region(ring()), is_crowd=True)
    notes = write(build(name), tmp_path / "out", [image(crowd, region(np.zeros((48, 64), bool)))])
    assert (tmp_path / "out" / LABELS).read_bytes() == b""
    assert notes[1:] == ["1 regions of groups (iscrowd) were left out"]


@pytest.mark.parametrize("name", ["yolo-det", "yolo-obb"])
def test_an_empty_data_set_and_two_equal_ones(tmp_path: Path, name: str) -> None:
    write(build(name), tmp_path / "empty", [])
    assert set(list_files(tmp_path / "empty")) == {"data.yaml"}
    for folder in ("a", "b"):
        write(build(name), tmp_path / folder, [image(region(ring()), region(two_parts(), "blue"))])
    assert list_files(tmp_path / "a") == list_files(tmp_path / "b")
