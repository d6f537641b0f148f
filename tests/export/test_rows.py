"""The formats that keep a picture in a row, read by the libraries that they are for; offline."""

from __future__ import annotations

import importlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datumaro.components.dataset import Dataset
from hypothesis import given, settings
from PIL import Image
from pycocotools import mask as coco_mask

from backend.errors import ExportError
from backend.export import KeyPoint, LabeledImage, encode_region
from backend.export.writers.formats import FORMATS
from backend.export.writers.parquet import MAX_ROWS
from backend.export.writers.webdataset import WebDatasetWriter
from backend.values import Mask, Size
from tests.export.test_pictures import DATA_SET, LABELS, SOME_MASKS, image, region, square, write

pyarrow_parquet = importlib.import_module("pyarrow.parquet")
WITH_PICTURES = replace(DATA_SET, with_pictures=True)


@pytest.fixture
def load_dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`datasets.load_dataset` without a network and with a cache of this test."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = importlib.import_module("datasets")
    datasets.disable_progress_bars()

    def load(*arguments: str, **options: str) -> Any:
        return datasets.load_dataset(*arguments, cache_dir=str(tmp_path / "cache"), **options)

    return load


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    Image.new("RGB", (32, 24), (200, 100, 50)).save(path, "PNG")
    return path


def decode(objects: Mapping[str, Any], size: Size) -> list[Mask]:
    return [
        coco_mask.decode({"size": [size.height, size.width], "counts": counts}).astype(bool)
        for counts in objects["counts"]
    ]


RING = square(2, 2, 12) & ~square(5, 5, 4) | square(20, 1, 3)
CHOSEN = encode_region(square(4, 4, 9), "blue", "second", score=0.5, choices={"kind": ("old", "wet"), "none": ()})


def sample_images(picture: Path) -> list[LabeledImage]:
    """A negative, then two objects that overlap, then one; in two splits."""
    return [
        image(task_id=3, file_name="n.png", split="train", picture=picture),
        image(
            region(RING, "green", "first"),
            CHOSEN,
            region(np.zeros((24, 32), bool)),
            file_name="b.1.png",
            split="train",
            picture=picture,
            choices={"scene": ("wood",)},
        ),
        image(region(square(0, 0, 2)), task_id=9, file_name="c", split="val", picture=picture),
    ]


SPLIT = replace(WITH_PICTURES, splits=("train", "val"))


def add_what_an_export_adds(folder: Path) -> None:
    """Files that lie in an export's folder beside those of its format."""
    (folder / "README.md").write_text("# Birds\n\n- 3 pictures\n", encoding="utf-8")
    (folder / "export.json").write_text('{"format": "any"}', encoding="utf-8")


def test_datasets_reads_the_imagefolder_with_its_splits_and_exact_masks(
    tmp_path: Path, picture: Path, load_dataset: Any
) -> None:
    assert write("huggingface", tmp_path / "out", sample_images(picture), SPLIT) == []
    add_what_an_export_adds(tmp_path / "out")
    loaded = load_dataset("imagefolder", data_dir=str(tmp_path / "out"))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 2, "validation": 1}
    first, negative = loaded["train"]
    assert first["image"].size == (32, 24) and first["image"].getpixel((0, 0)) == (200, 100, 50)
    assert first["objects"]["category"] == ["green", "blue"]
    assert first["objects"]["bbox"] == [[2, 1, 21, 13], [4, 4, 9, 9]]
    assert json.loads(first["objects"]["choices"][1]) == {"kind": ["old", "wet"]}
    assert json.loads(first["choices"]) == {"scene": ["wood"]}
    for actual, mask in zip(decode(first["objects"], Size(32, 24)), (RING, CHOSEN.decode_mask()), strict=True):
        np.testing.assert_array_equal(actual, mask)
    assert (negative["task_id"], negative["objects"]["counts"]) == (3, [])
    assert (tmp_path / "out/val/c.png").read_bytes() == picture.read_bytes()


def test_a_split_of_negatives_only_is_said(tmp_path: Path, picture: Path, load_dataset: Any) -> None:
    images = [image(task_id=3, split="val", picture=picture), sample_images(picture)[1]]
    [line] = write("huggingface", tmp_path / "out", images, SPLIT)
    assert line.startswith("no picture of val has objects; load_dataset infers other columns there and refuses")
    with pytest.raises(ValueError, match="different features"):
        load_dataset("imagefolder", data_dir=str(tmp_path / "out"))


def test_datasets_reads_the_parquet_files_with_pictures_classes_and_exact_masks(
    tmp_path: Path, picture: Path, load_dataset: Any
) -> None:
    write("parquet", tmp_path / "out", sample_images(picture), SPLIT)
    add_what_an_export_adds(tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 2, "val": 1}
    negative, second = loaded["train"]
    assert (negative["task_id"], negative["objects"]["counts"]) == (3, [])
    assert second["image"].getpixel((0, 0)) == (200, 100, 50)
    assert loaded["train"].features["objects"]["category"].feature.names == list(LABELS)
    assert second["objects"]["category"] == [1, 2]
    assert second["objects"]["score"] == [None, 0.5]
    for actual, mask in zip(decode(second["objects"], Size(32, 24)), (RING, CHOSEN.decode_mask()), strict=True):
        np.testing.assert_array_equal(actual, mask)


def test_parquet_row_groups_are_written_as_they_fill_up(tmp_path: Path) -> None:
    images = (image(region(square(0, 0, 2)), task_id=number) for number in range(2 * MAX_ROWS + 1))
    write("parquet", tmp_path, images)  # type: ignore[arg-type]
    file = pyarrow_parquet.ParquetFile(tmp_path / "data/train-00000-of-00001.parquet")
    assert [file.metadata.row_group(place).num_rows for place in range(3)] == [MAX_ROWS, MAX_ROWS, 1]
    assert "image" not in file.schema_arrow.names
    assert file.read()["task_id"].to_pylist() == list(range(2 * MAX_ROWS + 1))


def test_parquet_without_pyarrow_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(ExportError, match="parquet needs pyarrow") as refused:
        write("parquet", tmp_path, [])
    assert "pip install -r requirements-formats.txt" in refused.value.remedy


@pytest.mark.slow  # webdataset imports torch
def test_webdataset_reads_the_shards_with_exact_masks(tmp_path: Path, picture: Path) -> None:
    webdataset = importlib.import_module("webdataset")
    write("webdataset", tmp_path / "out", sample_images(picture), SPLIT)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train-000000.tar", "val-000000.tar"]
    samples = list(webdataset.WebDataset(str(tmp_path / "out/train-000000.tar"), shardshuffle=False).decode("rgb8"))
    assert [(sample["__key__"], sample["json"]["task_id"]) for sample in samples] == [("n", 3), ("b_1", 7)]
    assert samples[0]["png"][0, 0].tolist() == [200, 100, 50]
    for actual, mask in zip(
        decode(samples[1]["json"]["objects"], Size(32, 24)), (RING, CHOSEN.decode_mask()), strict=True
    ):
        np.testing.assert_array_equal(actual, mask)


def test_shards_stay_below_their_size_and_hold_every_sample_once(tmp_path: Path, picture: Path) -> None:
    picture.write_bytes(bytes(3000))
    writer = WebDatasetWriter(max_shard_bytes=20480)
    writer.begin(tmp_path, WITH_PICTURES)
    for number in range(11):
        name = f"{'long name ' * 11 if number == 5 else ''}{number}.of.11.png"
        writer.add(image(task_id=number, file_name=name, picture=picture))
    big = tmp_path / "big"
    big.write_bytes(bytes(50000))
    writer.add(image(task_id=11, file_name="big.png", picture=big))
    writer.close()
    shards = sorted(tmp_path.glob("*.tar"))
    assert all(path.stat().st_size <= 20480 for path in shards[:-1]) and len(shards) == 5
    names: list[str] = []
    for path in shards:
        with tarfile.open(path) as tar:
            names += [member.name for member in tar]
            assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}
    assert len(names) == len(set(names)) == 24
    assert {name.count(".") for name in names} == {1}  # the library ends a sample's name at the first


def test_datumaro_reads_masks_points_attributes_and_splits(tmp_path: Path, picture: Path) -> None:
    images = sample_images(picture)
    point = KeyPoint("nose", "beak", 5.5, 6.25, parent_id="second")
    images[1] = replace(images[1], key_points=(point,))
    write("datumaro", tmp_path / "out", images, replace(SPLIT, key_points=("beak",)))
    add_what_an_export_adds(tmp_path / "out")
    dataset = Dataset.import_from(str(tmp_path / "out"), "datumaro")
    items = {(item.subset, item.id): item for item in dataset}
    assert set(items) == {("train", "n"), ("train", "b.1"), ("val", "c")}
    item = items["train", "b.1"]
    assert item.media.data.shape[:2] == (24, 32)
    assert item.attributes["scene"] == "wood"
    first, second, nose = item.annotations
    np.testing.assert_array_equal(first.image.astype(bool), RING)
    assert second.attributes == {"kind": "old, wet", "region_id": "second", "is_crowd": False, "score": 0.5}
    assert (nose.points, nose.group, nose.label) == ([5.5, 6.25], second.group, 3)
    assert items["train", "n"].annotations == []


@settings(max_examples=20, deadline=None)
@given(SOME_MASKS)
def test_datumaro_gives_any_masks_back_exactly(objects: list[tuple[str, Mask]]) -> None:
    labeled = image(*(region(mask, label, str(place)) for place, (label, mask) in enumerate(objects)), size=Size(9, 6))
    with tempfile.TemporaryDirectory() as folder:
        write("datumaro", Path(folder), [labeled])
        [item] = Dataset.import_from(folder, "datumaro")
        restored = [(LABELS[each.label], each.image.astype(bool)) for each in item.annotations]
    expected = [(label, mask) for label, mask in objects if mask.any()]
    assert [label for label, _ in restored] == [label for label, _ in expected]
    for (_, actual), (_, mask) in zip(restored, expected, strict=True):
        np.testing.assert_array_equal(actual, mask)


@pytest.mark.parametrize("format_name", ["huggingface", "webdataset", "overlays"])
def test_formats_that_need_pictures_say_so_and_refuse_an_image_without_one(tmp_path: Path, format_name: str) -> None:
    assert FORMATS[format_name].needs_pictures
    with pytest.raises(ExportError, match=r"Task 7.*was not fetched"):
        write(format_name, tmp_path / "out", [image()])
