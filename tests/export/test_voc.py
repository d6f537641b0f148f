"""Pascal VOC by hand, and read back by datumaro: boxes, classes, masks, negatives, splits."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from datumaro import AnnotationType, Dataset, DatasetItem
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from backend.errors import ExportError
from backend.export import DataSet
from backend.export.writers.voc import VocWriter
from backend.export.writers.voc_labels import build_palette, name_labels
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


def read(folder: Path) -> dict[str, DatasetItem]:
    return {item.id: item for item in Dataset.import_from(str(folder), "voc", coordinate_mode="voc-one-based")}


def masks_of(item: DatasetItem) -> dict[int, Mask]:
    """Masks by the number of their object, from 1."""
    return {one.group: one.image for one in item.annotations if one.type == AnnotationType.mask}


def png(folder: Path, kind: str, stem: str = "photo-task7") -> np.ndarray:
    return np.asarray(Image.open(folder / f"Segmentation{kind}" / f"{stem}.png"))


def test_two_pixels_are_what_one_writes_by_hand(tmp_path: Path) -> None:
    mask = np.array([[False, True, True, False], [False] * 4])
    notes = write(VocWriter(), tmp_path / "out", [image(region(mask, "blue"), size=Size(4, 2))])
    root = ElementTree.parse(tmp_path / "out/Annotations/photo-task7.xml").getroot()
    assert [root.findtext(path) for path in ("filename", "size/width", "size/height", "segmented")] == [
        "photo-task7.png",
        "4",
        "2",
        "1",
    ]
    assert [root.findtext(f"object/bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")] == ["2", "1", "3", "1"]
    assert (root.findtext("object/name"), root.findtext("object/difficult")) == ("blue", "0")
    assert png(tmp_path / "out", "Class").tolist() == [[0, 3, 3, 0], [0, 0, 0, 0]]
    assert png(tmp_path / "out", "Object").tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]
    labelmap = (tmp_path / "out/labelmap.txt").read_text().splitlines()
    assert labelmap[1:] == ["background:0,0,0::", "red:128,0,0::", "green:0,128,0::", "blue:128,128,0::"]
    assert notes == ["the pictures are missing: copy them into JPEGImages, or export them with --with-images"]


def test_the_palette_is_the_published_one() -> None:
    palette = build_palette()
    assert palette[:3] == [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    assert palette[15] == (192, 128, 128)  # "person" of VOC 2012
    assert palette[20] == (0, 64, 128)  # "tvmonitor"
    assert palette[255] == (224, 224, 192)  # "void"


def test_the_pngs_are_indexed_and_carry_the_palette(tmp_path: Path) -> None:
    write(VocWriter(), tmp_path / "out", [image(region(ring()))])
    picture = Image.open(tmp_path / "out/SegmentationClass/photo-task7.png")
    assert picture.mode == "P"
    assert picture.convert("RGB").getpixel((30, 8)) == (128, 0, 0)


def test_datumaro_reads_every_mask_box_and_class(tmp_path: Path) -> None:
    masks = [ring(), disc(58, 8, 5), one_pixel(63, 47), one_pixel(0, 0)]
    labels = ["red", "blue", "green", "red"]
    regions = [region(mask, label) for mask, label in zip(masks, labels, strict=True)]
    images = with_pictures([image(*regions), image(task_id=8)], tmp_path / "pictures")
    write(VocWriter(), tmp_path / "out", images)
    items = read(tmp_path / "out")
    assert set(items) == {"photo-task7", "photo-task8"}
    found = masks_of(items["photo-task7"])
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(found[number], mask)
    boxes = [one for one in items["photo-task7"].annotations if one.type == AnnotationType.bbox]
    known = Dataset.import_from(str(tmp_path / "out"), "voc").categories()[AnnotationType.label]
    assert [known[one.label].name for one in boxes] == labels
    for box, original in zip(boxes, regions, strict=True):  # the last pixel is included, so a side is one less
        x, y, width, height = original.bbox
        assert (box.x, box.y, box.w + box.x, box.h + box.y) == (x, y, x + width, y + height)
    assert items["photo-task8"].annotations == []
    assert items["photo-task8"].media.size == (48, 64)
    assert (tmp_path / "out/JPEGImages/photo-task7.png").samefile(images[0].picture)


@settings(max_examples=30, deadline=None)
@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 4)))
def test_masks_without_overlap_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, objects: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("voc") / "out"
    masks = [objects == number for number in range(1, 5) if (objects == number).any()]
    size = Size(objects.shape[1], objects.shape[0])
    notes = write(VocWriter(), folder, [image(*(region(mask) for mask in masks), size=size)])
    found = masks_of(read(folder)["photo-task7"])
    assert len(found) == len(masks)
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(found[number], mask)
    assert len(notes) == 1


def test_where_masks_overlap_the_later_one_is_on_top_and_the_rest_is_told(tmp_path: Path) -> None:
    big, covered, top = disc(30, 20, 15), disc(30, 20, 4), disc(30, 20, 8)
    notes = write(VocWriter(), tmp_path / "out", [image(region(big), region(covered, "green"), region(top, "blue"))])
    objects = png(tmp_path / "out", "Object")
    np.testing.assert_array_equal(objects == 3, top)
    np.testing.assert_array_equal(objects == 1, big & ~top)
    assert not (objects == 2).any()
    assert notes[1] == "2 masks are partly under later ones in the PNGs, 1 of them completely"
    assert len(ElementTree.parse(tmp_path / "out/Annotations/photo-task7.xml").findall("object")) == 3


def test_objects_beyond_254_are_void_in_both_pngs_and_told(tmp_path: Path) -> None:
    regions = [region(one_pixel(number % 64, number // 64)) for number in range(257)]
    notes = write(VocWriter(), tmp_path / "out", [image(*regions)])
    objects, classes = png(tmp_path / "out", "Object").ravel(), png(tmp_path / "out", "Class").ravel()
    assert objects[:260].tolist() == [*range(1, 255), 255, 255, 255, 0, 0, 0]
    assert classes[:260].tolist() == [1] * 254 + [255] * 3 + [0] * 3
    assert notes[1:] == ["3 masks are void, because an 8-bit PNG holds 254 objects of a picture"]
    assert "ignored:224,224,192::" in (tmp_path / "out/labelmap.txt").read_text()
    found = masks_of(read(tmp_path / "out")["photo-task7"])
    assert all(found[number].sum() == 1 for number in range(1, 255))


def test_a_config_of_more_than_254_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        VocWriter().begin(tmp_path, DataSet("shapes", tuple(map(str, range(255)))))
    assert caught.value.message == "The labeling config has 255 labels for masks, and Pascal VOC holds 254."
    assert caught.value.remedy == "Choose another format, such as --format coco."
    VocWriter().begin(tmp_path, DataSet("shapes", tuple(map(str, range(254)))))


def test_odd_labels_are_read_back_under_the_names_that_are_told(tmp_path: Path) -> None:
    odd = ("a<b>&\"'c", "a:b", "#a", "background", "über 🐦", "tab\tand\x00null", " a_b ", "\ud800")
    regions = [region(one_pixel(number * 2, 5), label) for number, label in enumerate(odd)]
    notes = write(VocWriter(), tmp_path / "out", [image(*regions)], categories=odd)
    names = ["a<b>&\"'c", "a_b", "_a", "background-2", "über 🐦", "tab_and_null", "a_b-2", "\ufffd"]
    entries = ElementTree.parse(tmp_path / "out/Annotations/photo-task7.xml").findall("object/name")
    assert [entry.text for entry in entries] == names
    data_set = Dataset.import_from(str(tmp_path / "out"), "voc")
    assert [label.name for label in data_set.categories()[AnnotationType.label]] == ["background", *names]
    (item,) = data_set
    labels = sorted(one.label for one in item.annotations if one.type == AnnotationType.mask)
    assert labels == list(range(1, len(odd) + 1))
    assert "'a:b' is 'a_b'" in notes[-1]
    assert "über" not in notes[-1]


@settings(max_examples=200)
@given(st.lists(st.text(max_size=6), unique=True, max_size=12))
def test_names_of_any_labels_are_distinct_and_fit_on_a_line(labels: list[str]) -> None:
    names = list(name_labels(labels).values())
    assert len(set(names)) == len(labels)
    for name in names:
        assert name == name.strip() != ""
        assert len(f"{name}:".splitlines()) == 1
        assert name.count(":") == 0
        assert not name.startswith("#")
        ElementTree.fromstring(ElementTree.tostring(_element(name)))


def _element(text: str) -> ElementTree.Element:
    element = ElementTree.Element("name")
    element.text = text
    return element


def test_splits_are_lists_of_pictures_even_empty_ones(tmp_path: Path) -> None:
    images = [image(region(ring()), split="val"), image(task_id=8, split="train"), image(task_id=9, split="train")]
    write(VocWriter(), tmp_path / "out", images, splits=("train", "val", "test"))
    files = list_files(tmp_path / "out")
    for kind in ("Main", "Segmentation"):
        assert files[f"ImageSets/{kind}/train.txt"] == b"photo-task8\nphoto-task9\n"
        assert files[f"ImageSets/{kind}/val.txt"] == b"photo-task7\n"
        assert files[f"ImageSets/{kind}/test.txt"] == b""
    assert {item.subset for item in Dataset.import_from(str(tmp_path / "out"), "voc")} == {"train", "val"}


def test_an_empty_data_set_has_all_folders_and_lists(tmp_path: Path) -> None:
    write(VocWriter(), tmp_path / "out", [])
    assert set(list_files(tmp_path / "out")) == {
        "ImageSets/Main/train.txt",
        "ImageSets/Segmentation/train.txt",
        "labelmap.txt",
    }
    assert (tmp_path / "out/JPEGImages").is_dir()
    assert read(tmp_path / "out") == {}


def test_pictures_that_differ_only_in_their_ending_keep_files_of_their_own(tmp_path: Path) -> None:
    images = [
        image(region(ring()), file_name="a.png"),
        image(region(two_parts()), file_name="a.jpg"),
    ]
    write(VocWriter(), tmp_path / "out", with_pictures(images, tmp_path / "pictures"))
    items = read(tmp_path / "out")
    assert len(items) == 2
    assert sorted(masks_of(item)[1].sum() for item in items.values()) == sorted([ring().sum(), two_parts().sum()])
    for path in (tmp_path / "out/Annotations").iterdir():
        picture = ElementTree.parse(path).getroot().findtext("filename")
        assert (tmp_path / "out/JPEGImages" / str(picture)).is_file()
        assert Path(str(picture)).stem == path.stem


def test_a_group_is_difficult_and_an_empty_mask_is_left_out(tmp_path: Path) -> None:
    crowd = region(ring())
    crowd = type(crowd)(**{**vars(crowd), "is_crowd": True})
    write(VocWriter(), tmp_path / "out", [image(region(np.zeros((48, 64), bool)), crowd)])
    (entry,) = ElementTree.parse(tmp_path / "out/Annotations/photo-task7.xml").findall("object")
    assert entry.findtext("difficult") == "1"
    assert set(np.unique(png(tmp_path / "out", "Object")).tolist()) == {0, 1}


def test_two_exports_make_the_same_bytes(tmp_path: Path) -> None:
    images = [image(region(ring()), region(two_parts(), "blue")), image(task_id=8)]
    for name in ("a", "b"):
        write(VocWriter(), tmp_path / name, images, categories=CATEGORIES)
    assert list_files(tmp_path / "a") == list_files(tmp_path / "b")
