"""The formats of pictures: masks come back from PIL and datumaro as they were; what lies under others is counted."""

from __future__ import annotations

import csv
import gc
import hashlib
import json
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datumaro.components.dataset import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from backend.errors import ExportError
from backend.export import DataSet, EncodedRegion, KeyPoint, LabeledImage, Writer, encode_region
from backend.export.writers.formats import FORMATS, FormatOptions
from backend.export.writers.picture_files import choose_class_colours
from backend.values import Mask, Size
from tests.paths import ROOT

LABELS = ("red", "green", "blue")
DATA_SET = DataSet(
    "birds", LABELS, key_points=("beak",), colours={"red": "#ff0000", "green": "#00ff00", "blue": "#ff0000"}
)

OF_PICTURES = ("panoptic", "semantic", "instances", "id_masks", "masks", "overlays", "bboxes")
WRITTEN_HERE = (*OF_PICTURES, "huggingface", "webdataset", "parquet", "datumaro")


def square(left: int, top: int, side: int, shape: tuple[int, int] = (24, 32)) -> Mask:
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def region(mask: Mask, label: str = "red", region_id: str = "r") -> EncodedRegion:
    return encode_region(mask, label, region_id)


def image(*regions: EncodedRegion, task_id: int = 7, size: Size = Size(32, 24), **fields: object) -> LabeledImage:
    defaults: dict[str, object] = {"file_name": f"a-task{task_id}.jpg", "image_id": task_id}
    return LabeledImage(size=size, task_id=task_id, annotation_id=70, regions=regions, **defaults | fields)  # type: ignore[arg-type]


def write(
    format_name: str, folder: Path, images: Sequence[LabeledImage], data_set: DataSet = DATA_SET
) -> Sequence[str]:
    folder.mkdir(exist_ok=True)
    writer: Writer = FORMATS[format_name].build(FormatOptions())
    writer.begin(folder, data_set)
    for each in images:
        writer.add(each)
    return writer.close()


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_id_masks(folder: Path) -> list[tuple[str, Mask]]:
    return [(row["label"], read(folder / row["file"])) for row in rows_of(folder / "objects.csv")]


def read_instances(folder: Path) -> list[tuple[str, Mask]]:
    rows = rows_of(folder / "objects.csv")
    return [(row["label"], read(folder / row["file"]) == int(row["id"])) for row in rows]


def read_panoptic(folder: Path) -> list[tuple[str, Mask]]:
    """Read with datumaro, in the order of the segments' ids. It wants a folder of pictures, even an empty one."""
    (folder / "images").mkdir(exist_ok=True)
    dataset = Dataset.import_from(str(folder), "coco_panoptic")
    names = [label.name for label in dataset.categories()[next(iter(dataset.categories()))]]
    annotations = [annotation for item in dataset for annotation in item.annotations]
    ordered = sorted(annotations, key=lambda annotation: annotation.id)
    return [(names[annotation.label], annotation.image.astype(bool)) for annotation in ordered]


READERS: dict[str, Callable[[Path], list[tuple[str, Mask]]]] = {
    "id_masks": read_id_masks,
    "instances": read_instances,
    "panoptic": read_panoptic,
}
SOME_MASKS = st.lists(st.tuples(st.sampled_from(LABELS), npst.arrays(bool, (6, 9))), min_size=1, max_size=4)


@pytest.mark.parametrize("format_name", READERS)
@settings(max_examples=25, deadline=None)
@given(SOME_MASKS)
def test_masks_come_back_exactly_apart_from_what_a_later_one_covers(
    format_name: str, objects: list[tuple[str, Mask]]
) -> None:
    expected = [(label, mask.copy()) for label, mask in objects if mask.any()]
    if format_name != "id_masks":
        for place, (_, mask) in enumerate(expected):
            for _, later in expected[place + 1 :]:
                mask &= ~later
    labeled = image(*(region(mask, label, str(place)) for place, (label, mask) in enumerate(objects)), size=Size(9, 6))
    with tempfile.TemporaryDirectory() as folder:
        write(format_name, Path(folder), [labeled])
        restored = READERS[format_name](Path(folder))
    if format_name == "panoptic":
        expected = [(label, mask) for label, mask in expected if mask.any()]
    assert [label for label, _ in restored] == [label for label, _ in expected]
    for (_, actual), (_, mask) in zip(restored, expected, strict=True):
        np.testing.assert_array_equal(actual, mask)


@settings(max_examples=25, deadline=None)
@given(SOME_MASKS)
def test_semantic_and_colour_masks_show_the_class_of_the_last_region_at_each_pixel(
    objects: list[tuple[str, Mask]],
) -> None:
    expected = np.zeros((6, 9), int)
    for label, mask in objects:
        expected[mask] = LABELS.index(label) + 1
    labeled = image(*(region(mask, label) for label, mask in objects), size=Size(9, 6))
    with tempfile.TemporaryDirectory() as folder:
        write("semantic", Path(folder) / "semantic", [labeled])
        write("masks", Path(folder) / "masks", [labeled])
        semantic = read(Path(folder, "semantic", "masks", "a-task7.png"))
        coloured = read(Path(folder, "masks", "a-task7.png"))
        classes = rows_of(Path(folder, "masks", "classes.csv"))
        with Image.open(Path(folder, "semantic", "masks", "a-task7.png")) as picture:
            assert picture.mode == "P"
            shown = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(semantic, expected)
    colours = np.array([[int(row[part]) for part in ("red", "green", "blue")] for row in classes])
    np.testing.assert_array_equal(coloured, colours[expected])
    np.testing.assert_array_equal(shown, coloured)


def test_the_colours_are_the_configs_but_no_two_classes_share_one_and_none_is_black(tmp_path: Path) -> None:
    data_set = DataSet("birds", (*LABELS, "black", "none"), colours=dict(DATA_SET.colours, black="#000000"))
    write("semantic", tmp_path, [], data_set)
    rows = rows_of(tmp_path / "classes.csv")
    colours = [tuple(int(row[part]) for part in ("red", "green", "blue")) for row in rows]
    assert [row["label"] for row in rows] == ["", "red", "green", "blue", "black", "none"]
    assert colours[:3] == [(0, 0, 0), (255, 0, 0), (0, 255, 0)]
    assert len(set(colours)) == 6


def test_hidden_and_covered_regions_are_counted_and_named(tmp_path: Path) -> None:
    covered = image(
        region(square(4, 4, 4), region_id="under"), region(square(0, 4, 4)), region(square(2, 2, 8), "blue"), task_id=9
    )
    for name in ("panoptic", "semantic", "instances", "masks"):
        lines = write(name, tmp_path / name, [covered])
        assert lines == [
            'regions hidden completely under later ones: 1 ("under" of task 9)',
            "regions that lost the pixels where a later one lies on top: 1",
        ]
    segments = json.loads((tmp_path / "panoptic/annotations/panoptic_default.json").read_text())["annotations"][0]
    assert [(each["id"], each["area"], each["bbox"]) for each in segments["segments_info"]] == [
        (2, 8, [0, 4, 2, 4]),
        (3, 64, [2, 2, 8, 8]),
    ]
    assert write("id_masks", tmp_path / "id_masks", [covered]) == []


def test_the_300th_segment_is_painted_in_the_colour_of_the_example(tmp_path: Path) -> None:
    regions = [region(square(place % 20, place // 20, 1), region_id=str(place)) for place in range(300)]
    write("panoptic", tmp_path, [image(*regions)])
    pixels = read(tmp_path / "annotations/panoptic_default/a-task7.png")
    assert pixels[14, 19].tolist() == [44, 1, 0]
    assert pixels[0, 0].tolist() == [1, 0, 0]
    assert pixels[23, 31].tolist() == [0, 0, 0]


def test_instances_are_16_bit_and_count_from_one_in_each_picture(tmp_path: Path) -> None:
    regions = [region(square(place % 20, place // 20, 1)) for place in range(300)]
    write("instances", tmp_path, [image(*regions), image(region(square(1, 1, 2)), task_id=8)])
    assert read(tmp_path / "masks/a-task7.png")[14, 19] == 300
    with Image.open(tmp_path / "masks/a-task8.png") as picture:
        assert picture.mode.startswith("I;16")
        assert np.unique(np.asarray(picture)).tolist() == [0, 1]


def test_more_than_65535_objects_on_a_picture_are_refused_by_task(tmp_path: Path) -> None:
    one = region(square(0, 0, 1))
    with pytest.raises(ExportError, match="Task 7 has 65536 regions on a picture, and a 16-bit PNG holds 65535"):
        write("instances", tmp_path, [image(*[one] * 65536)])


def test_more_than_255_classes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    write("semantic", tmp_path / "fits", [], DataSet("many", tuple(map(str, range(255)))))
    with pytest.raises(ExportError, match="has 256 labels, but a semantic PNG can hold 255") as refused:
        write("semantic", tmp_path / "more", [], DataSet("many", tuple(map(str, range(256)))))
    assert "instances" in refused.value.remedy
    assert list((tmp_path / "more").iterdir()) == []


def test_boxes_end_after_the_last_pixel(tmp_path: Path) -> None:
    empty = region(np.zeros((24, 32), bool))
    write("bboxes", tmp_path, [image(region(square(4, 3, 5)), empty, region(square(0, 0, 1))), image(task_id=8)])
    assert (tmp_path / "a-task7.csv").read_text() == "id,xmin,ymin,xmax,ymax\n1,4,3,9,8\n2,0,0,1,1\n"
    assert (tmp_path / "a-task8.csv").read_text() == "id,xmin,ymin,xmax,ymax\n"


def test_overlays_show_the_picture_with_the_outline_and_the_box(tmp_path: Path) -> None:
    picture = tmp_path / "picture"
    Image.new("RGB", (320, 240), (128, 128, 128)).save(picture, "PNG")
    triangle = np.tril(square(100, 60, 120, (240, 320)), -40)  # its box has a corner that the mask does not touch
    assert not triangle[60:100, 180:220].any()
    left, top, right, _ = 100, np.flatnonzero(triangle.any(1))[0], np.flatnonzero(triangle.any(0))[-1], 0
    write("overlays", tmp_path / "out", [image(region(triangle, "green"), size=Size(320, 240), picture=picture)])
    shown = read(tmp_path / "out/a-task7.jpg").astype(int)
    red, green, blue = shown[top + 2 : top + 30, right].mean(axis=0)
    assert green > 180 and red < 110 and blue < 110
    assert abs(shown[200:, 250:] - 128).max() <= 8
    assert left < right


@pytest.mark.parametrize(("content", "message"), [(b"no picture", "cannot be decoded"), (None, "was not fetched")])
def test_an_overlay_without_a_picture_is_refused_by_task(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "picture"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportError, match=f"Task 7, picture a-task7.jpg.*{message}"):
        write("overlays", tmp_path / "out", [image(picture=None if content is None else path)])


def test_a_picture_of_another_size_than_its_annotation_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (30, 24)).save(tmp_path / "picture", "PNG")
    with pytest.raises(ExportError, match="is 30x24, but was annotated as 32x24"):
        write("overlays", tmp_path / "out", [image(picture=tmp_path / "picture")])


@pytest.mark.parametrize("format_name", ["id_masks", "masks", "bboxes", "semantic", "instances", "panoptic"])
def test_splits_are_folders_and_pictures_lie_under_the_name_of_their_masks(tmp_path: Path, format_name: str) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(b"bytes of a picture")
    data_set = DataSet("birds", LABELS, splits=("train", "val"), with_pictures=True)
    images = [
        image(region(square(1, 1, 4)), split="train", picture=picture),
        image(region(square(1, 1, 4)), task_id=8, split="val", picture=picture),
        image(task_id=9, split="val", file_name="a-task8.png", picture=picture),
    ]
    write(format_name, tmp_path / "out", images, data_set)
    pictures = {path.relative_to(tmp_path / "out/images").as_posix() for path in (tmp_path / "out/images").rglob("*.*")}
    assert pictures == {"train/a-task7.jpg", "val/a-task8.jpg", "val/a-task8-png.png"}
    others = [path for path in (tmp_path / "out").rglob("*.*") if "images" not in path.parts]
    assert {path.parent.name.removeprefix("panoptic_") for path in others} >= {"train", "val"}
    if format_name == "panoptic":
        dataset = Dataset.import_from(str(tmp_path / "out"), "coco_panoptic")
        assert {(item.subset, item.id, len(item.annotations)) for item in dataset} == {
            ("train", "a-task7", 1),
            ("val", "a-task8", 1),
            ("val", "a-task8-png", 0),
        }


@pytest.mark.parametrize("format_name", WRITTEN_HERE)
def test_key_points_that_a_format_cannot_hold_are_counted(tmp_path: Path, format_name: str) -> None:
    picture = tmp_path / "picture"
    Image.new("RGB", (32, 24)).save(picture, "PNG")
    point = KeyPoint("nose", "beak", 5.5, 6.25)
    images = [image(key_points=(point, point), picture=picture), image(task_id=8, picture=picture)]
    lines = write(format_name, tmp_path / "out", images, replace(DATA_SET, key_points=("beak",)))
    told = "left out, because this format has no key points: 2" in lines
    assert told != (format_name == "datumaro")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("format_name", WRITTEN_HERE)
def test_two_exports_are_byte_identical_and_leave_no_parts(tmp_path: Path, format_name: str) -> None:
    picture = tmp_path / "picture"
    Image.new("RGB", (32, 24), (9, 8, 7)).save(picture, "PNG")
    images = [
        image(region(square(1, 1, 4)), region(square(3, 3, 9), "blue"), picture=picture),
        image(task_id=8, picture=picture),
    ]
    for name in ("first", "second"):
        write(format_name, tmp_path / name, images)
    assert digests(tmp_path / "first") == digests(tmp_path / "second") != {}
    assert [name for name in digests(tmp_path / "first") if Path(name).name.startswith(".")] == []


OF_THE_EXPORT = [
    tracemalloc.Filter(True, f"{ROOT}/{folder}/*", all_frames=True) for folder in ("backend/export", "tests/export")
]  # not what other threads hold


@pytest.mark.parametrize("format_name", [name for name in WRITTEN_HERE if name != "overlays"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pytest keeps each warning of pycocotools
def test_a_writer_keeps_only_a_few_bytes_of_each_image(tmp_path: Path, format_name: str) -> None:
    """An image's RLE alone has 389 bytes. Parquet holds 100 images at a time, so it is measured at multiples."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (32, 24)).save(picture)
    noise = np.random.default_rng(0).random((24, 32)) < 0.5

    def held_after(count: int) -> int:
        writer = FORMATS[format_name].build(FormatOptions())
        folder = tmp_path / str(count)
        folder.mkdir()
        tracemalloc.start(20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytest would keep each of them
            writer.begin(folder, DATA_SET)
            for number in range(count):
                noisy = region(np.roll(noise, number % 24, axis=0), region_id=str(number))
                writer.add(image(noisy, task_id=number, picture=picture))
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(OF_THE_EXPORT)
        held = sum(statistic.size for statistic in snapshot.statistics("filename"))
        tracemalloc.stop()
        writer.close()
        return held

    held_after(1)  # what is imported and cached once
    few, many = (100, 200) if format_name == "parquet" else (20, 60)
    assert held_after(many) - held_after(few) < (many - few) * 300


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_overlay_holds_one_mask_at_a_time(tmp_path: Path) -> None:
    """A mask of 12 megapixels is 12 MB."""
    picture, shape = tmp_path / "picture.png", (600, 800)
    Image.new("RGB", (800, 600)).save(picture)

    def peak_of(count: int) -> int:
        regions = [region(square(20 * place, 10, 50, shape), region_id=str(place)) for place in range(count)]
        writer = FORMATS["overlays"].build(FormatOptions())
        writer.begin(tmp_path / str(count), DATA_SET)
        tracemalloc.start()
        writer.add(image(*regions, picture=picture, size=Size(800, 600)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_of(1)
    assert peak_of(20) - peak_of(2) < 2 * 600 * 800


def test_each_of_many_classes_has_a_colour_of_its_own() -> None:
    colours = choose_class_colours(DataSet("many", tuple(map(str, range(3000)))))
    assert len(set(colours.values()) - {(0, 0, 0)}) == 3000
