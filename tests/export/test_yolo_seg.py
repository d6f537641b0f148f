"""YOLO segmentation labels by hand, and read back by supervision as Ultralytics' layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image
from supervision import DetectionDataset
from supervision import polygon_to_mask as fill_by_supervision

from backend.export import FORMATS, FormatOptions
from backend.export.writers.yolo_folder import quote_yaml
from backend.export.writers.yolo_seg import YoloSegWriter
from backend.values import Mask, Size
from tests.export.sets import (
    CATEGORIES,
    disc,
    image,
    list_files,
    one_pixel,
    region,
    ring,
    two_parts,
    with_pictures,
    write,
)


def read(folder: Path, split: str = "train") -> DetectionDataset:
    return DetectionDataset.from_yolo(
        str(folder / "images" / split), str(folder / "labels" / split), str(folder / "data.yaml"), force_masks=True
    )


def masks_of(data_set: DetectionDataset, name: str) -> list[Mask]:
    detections = next(found for path, _, found in data_set if Path(path).name == name)
    return [] if detections.mask is None else list(detections.mask)


def restore(line: str, size: Size) -> Mask:
    """Fill an outline as Ultralytics does: coordinates rounded down."""
    shares = np.array(line.split()[1:], np.float32).reshape(-1, 2)
    pixels = (shares * (size.width, size.height)).astype(np.int32)
    return fill_by_supervision(pixels, (size.width, size.height)).astype(bool)


def test_a_square_of_four_pixels_is_what_one_writes_by_hand(tmp_path: Path) -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    notes = write(YoloSegWriter(), tmp_path / "out", [image(region(mask, "blue", "x1"), size=Size(4, 4))])
    files = list_files(tmp_path / "out")
    assert set(files) == {"data.yaml", "labels/train/photo-task7.txt"}
    values = files["labels/train/photo-task7.txt"].decode().split(" ")
    assert values[0] == "2"  # "blue" is the third class
    corners = {(values[at], values[at + 1].strip()) for at in range(1, len(values), 2)}
    first, second = "0.312500", "0.562500"  # 1.25 / 4 and 2.25 / 4
    assert corners == {(first, first), (first, second), (second, first), (second, second)}
    assert notes == [
        "the pictures are missing: copy them into images/SPLIT, or export them with --with-images",
        'IoU of outline and mask: mean 1.0000 of 1, lowest 1.0000 (region "x1" of task 7)',
    ]


def test_supervision_reads_every_mask_class_and_negative(tmp_path: Path) -> None:
    images = with_pictures(
        [
            image(region(ring(), "red"), region(disc(20, 30, 12), "blue"), region(one_pixel(63, 47), "green")),
            image(task_id=8),
        ],
        tmp_path / "pictures",
    )
    write(YoloSegWriter(), tmp_path / "out", images)
    data_set = read(tmp_path / "out")
    assert data_set.classes == list(CATEGORIES)
    (_, _, found), (_, _, none) = data_set
    assert found.class_id.tolist() == [0, 2, 1]
    for restored, mask in zip(found.mask, [ring(), disc(20, 30, 12), one_pixel(63, 47)], strict=True):
        np.testing.assert_array_equal(restored, mask)
    assert len(none) == 0
    assert (tmp_path / "out/labels/train/photo-task8.txt").read_bytes() == b""
    assert (tmp_path / "out/images/train/photo-task7.png").samefile(images[0].picture)


def test_two_parts_stay_one_instance_and_the_loss_is_told(tmp_path: Path) -> None:
    """The bridge between two discs is the only loss, and the printed IoU is the one of the file."""
    images = with_pictures([image(region(ring(), region_id="a"), region(two_parts(), region_id="b"))], tmp_path / "p")
    notes = write(YoloSegWriter(), tmp_path / "out", images)
    exact, bridged = masks_of(read(tmp_path / "out"), "photo-task7.png")
    np.testing.assert_array_equal(exact, ring())
    mask = two_parts()
    iou = (mask & bridged).sum() / (mask | bridged).sum()
    assert not (mask & ~bridged).any()
    assert 0 < (bridged & ~mask).sum() <= 40  # the discs' centres are 40 columns and 25 rows apart
    assert notes == [f'IoU of outline and mask: mean {(1 + iou) / 2:.4f} of 2, lowest {iou:.4f} (region "b" of task 7)']


@settings(max_examples=100, deadline=None)
@given(npst.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_masks_come_back_but_for_bridges(tmp_path_factory: pytest.TempPathFactory, mask: Mask) -> None:
    """No pixel is lost, and only a mask of several parts gains any: at most the pixels between its parts in a row."""
    folder = tmp_path_factory.mktemp("seg") / "out"
    size = Size(mask.shape[1], mask.shape[0])
    write(YoloSegWriter(), folder, [image(region(mask), size=size)])
    lines = (folder / "labels/train/photo-task7.txt").read_text().splitlines()
    assert len(lines) == int(mask.any())
    for line in lines:
        restored = restore(line, size)
        parts, _ = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        assert not (mask & ~restored).any()
        assert (restored & ~mask).sum() <= (parts - 2) * (max(mask.shape) - 2)


def test_an_outline_of_a_large_ragged_mask_has_999_points_at_most_and_an_iou_of_97_percent(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).standard_normal((1080, 1920)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 60)
    mask, size = np.asarray(smooth > 1.2 * smooth.std()), Size(1920, 1080)
    write(YoloSegWriter(), tmp_path / "out", [image(region(mask), size=size)])
    line = (tmp_path / "out/labels/train/photo-task7.txt").read_text()
    restored = restore(line, size)
    assert len(line.split()) // 2 <= 999
    assert (mask & restored).sum() / (mask | restored).sum() >= 0.97


def test_splits_have_folders_of_their_own_and_keys_that_ultralytics_knows(tmp_path: Path) -> None:
    images = [image(region(ring()), split="valid"), image(task_id=8, split="train")]
    write(YoloSegWriter(), tmp_path / "out", images, splits=("train", "valid", "test"))
    assert set(list_files(tmp_path / "out")) == {
        "data.yaml",
        "labels/train/photo-task8.txt",
        "labels/valid/photo-task7.txt",
    }
    document = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert document == {
        "train": "images/train",
        "val": "images/valid",
        "test": "images/test",
        "names": {0: "red", 1: "green", 2: "blue"},
    }
    assert (tmp_path / "out/images/test").is_dir()


def test_without_splits_training_and_validation_are_the_same(tmp_path: Path) -> None:
    notes = write(YoloSegWriter(), tmp_path / "out", [])
    document = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert (document["train"], document["val"]) == ("images/train", "images/train")
    assert len(notes) == 1  # no IoU of nothing


def test_odd_labels_are_texts_in_the_yaml(tmp_path: Path) -> None:
    odd = ("no", "1", "a: b", 'say "hi"', "back\\slash", "line\nbreak", "# none", " ", "über", "🐦", "\x85", "null")
    write(YoloSegWriter(), tmp_path / "out", [], categories=odd)
    assert tuple(yaml.safe_load((tmp_path / "out/data.yaml").read_bytes())["names"].values()) == odd


@settings(max_examples=200)
@given(st.text())
def test_any_text_comes_back_from_yaml(text: str) -> None:
    assert yaml.safe_load(f"0: {quote_yaml(text)}") == {0: text}


def test_pictures_that_differ_only_in_their_ending_keep_labels_of_their_own(tmp_path: Path) -> None:
    names = ("photo-task7.png", "photo-task7.jpg", "PHOTO-task7.png")
    images = with_pictures([image(region(ring()), file_name=name) for name in names], tmp_path / "pictures")
    notes = write(YoloSegWriter(), tmp_path / "out", images)
    stems = [sorted(path.stem for path in (tmp_path / "out").glob(f"{kind}/train/*")) for kind in ("labels", "images")]
    assert stems[0] == stems[1]
    assert len({stem.casefold() for stem in stems[0]}) == 3
    assert notes[0] == "2 pictures were renamed, because names must not differ only in their ending"


@pytest.mark.parametrize("ending", ["gif", "avif"])
def test_pictures_that_ultralytics_may_skip_become_pngs_with_the_same_pixels(tmp_path: Path, ending: str) -> None:
    """Ultralytics lists the pictures by their endings; .gif is none of them, and .avif is missing in older releases."""
    picture = tmp_path / f"1.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)).save(picture)
    labeled = image(region(ring()), file_name=f"photo-task7.{ending}", picture=picture)
    notes = write(YoloSegWriter(), tmp_path / "out", [labeled])
    assert set(list_files(tmp_path / "out/images")) == {"train/photo-task7.png"}
    assert (tmp_path / "out/labels/train/photo-task7.txt").is_file()
    with Image.open(tmp_path / "out/images/train/photo-task7.png") as png, Image.open(picture) as original:
        assert (png.format, png.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(png), np.asarray(original.convert("RGB")))
    assert notes[0] == "1 GIFs and AVIFs were written as PNGs, because Ultralytics may skip them"


def test_empty_masks_and_groups_are_left_out_and_groups_are_counted(tmp_path: Path) -> None:
    crowd = region(ring())
    crowd = type(crowd)(**{**vars(crowd), "is_crowd": True})
    empty = region(np.zeros((48, 64), bool))
    notes = write(YoloSegWriter(), tmp_path / "out", [image(crowd, empty)])
    assert (tmp_path / "out/labels/train/photo-task7.txt").read_bytes() == b""
    assert notes[1:] == ["1 regions of groups (iscrowd) were left out"]


def test_the_tolerance_of_the_command_line_makes_outlines_shorter(tmp_path: Path) -> None:
    lengths = []
    for number, tolerance in enumerate((None, 2.0)):
        writer = FORMATS["yolo-seg"].build(FormatOptions(polygon_tolerance=tolerance))
        write(writer, tmp_path / str(number), [image(region(ring()))])
        lengths.append(len((tmp_path / str(number) / "labels/train/photo-task7.txt").read_text()))
    assert lengths[1] < lengths[0] / 2


def test_two_exports_make_the_same_bytes(tmp_path: Path) -> None:
    images = [image(region(ring()), region(two_parts(), "blue")), image(task_id=8)]
    for name in ("a", "b"):
        write(YoloSegWriter(), tmp_path / name, images)
    assert list_files(tmp_path / "a") == list_files(tmp_path / "b")
