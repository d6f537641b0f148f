"""COCO files of all kinds are read; what is wrong with one is said with its image and annotation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from backend.errors import BadDataSet
from backend.export import FoundDataSet, read_coco
from backend.export.writers.coco import CocoWriter
from backend.export.writers.roboflow import RoboflowWriter
from tests.export.found import read, read_leniently
from tests.export.sets import disc, image, region, ring, with_pictures, write

Json = dict[str, Any]
# ...  a 4x2 image:  .##.
#                    .#..
MASK = np.array([[0, 1, 1, 0], [0, 1, 0, 0]], bool)
SQUARE = [[1, 0, 3, 0, 3, 2, 1, 2]]


def document(*annotations: Json, **fields: Any) -> Json:
    common = {"image_id": 5, "category_id": 1}
    own = [{"id": number, **common, **annotation} for number, annotation in enumerate(annotations, 1)]
    return {
        "images": [{"id": 5, "file_name": "a.jpg", "width": 4, "height": 2}],
        "categories": [{"id": 1, "name": "red"}, {"id": 7, "name": "blue", "keypoints": ["nose", "tail"]}],
        "annotations": own,
        **fields,
    }


def found(folder: Path, content: Json | str) -> FoundDataSet:
    path = folder / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_coco(path)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [2, 4], "counts": coco_mask.encode(np.asfortranarray(MASK, np.uint8))["counts"].decode()},
        {"size": [2, 4], "counts": [2, 3, 3]},
        [[1, 0, 3, 0, 3, 1, 1, 1], [1, 1, 2, 1, 2, 2, 1, 2]],
    ],
)
def test_each_kind_of_segmentation_is_the_same_mask(tmp_path: Path, segmentation: Any) -> None:
    (one,) = found(tmp_path, document({"segmentation": segmentation, "iscrowd": 1})).images
    (region,) = read(one).regions
    np.testing.assert_array_equal(region.decode_mask(), MASK)
    assert (region.label, region.area, region.bbox, region.is_crowd) == ("red", 3, (1, 0, 2, 2), True)


def test_an_annotation_without_a_mask_is_its_box(tmp_path: Path) -> None:
    data_set = found(tmp_path, document({"segmentation": [], "bbox": [1, 0, 2.4, 2]}, {"bbox": [0, 0, 4, 2]}))
    first, second = read(data_set.images[0]).regions
    assert (first.kind, first.bbox, second.area) == ("rectangle", (1, 0, 2, 2), 8)
    assert data_set.labels == {"red": 2}


def test_key_points_belong_to_the_region_of_their_annotation(tmp_path: Path) -> None:
    poses = [
        {"category_id": 7, "segmentation": SQUARE, "keypoints": [1, 1, 2, 0, 0, 0], "region_id": "dog"},
        {"category_id": 7, "keypoints": [0, 0, 0, 3, 1, 1], "bbox": [3, 1, 0, 0]},
    ]
    data_set = found(tmp_path, document(*poses))
    regions = read(data_set.images[0])
    assert [one.region_id for one in regions.regions] == ["dog"]
    assert [(one.label, one.x, one.y, one.parent_id) for one in regions.key_points] == [
        ("nose", 1.0, 1.0, "dog"),
        ("tail", 3.0, 1.0, ""),
    ]
    assert (data_set.labels, data_set.key_points) == ({"blue": 1}, {"nose": 1, "tail": 1})


def test_attributes_become_choices_and_what_is_no_text_becomes_one(tmp_path: Path) -> None:
    given = {"breed": "pug", "colours": ["red", "blue"], "occluded": True, "age": 3, "empty": [], "none": None}
    content = document({"segmentation": SQUARE, "attributes": given, "score": 0.5})
    content["images"][0]["attributes"] = {"light": "day"}
    (one,) = found(tmp_path, content).images
    (region,) = read(one).regions
    assert dict(region.choices) == {
        "breed": ("pug",),
        "colours": ("red", "blue"),
        "occluded": ("true",),
        "age": ("3",),
    }
    assert (dict(one.choices), region.score) == ({"light": ("day",)}, 0.5)


def test_ids_are_the_same_at_each_reading_and_differ_in_an_image(tmp_path: Path) -> None:
    content = document({"segmentation": SQUARE}, {"segmentation": SQUARE})
    ids = [[one.region_id for one in read(found(tmp_path, content).images[0]).regions] for _ in range(2)]
    assert ids[0] == ids[1] and len(set(ids[0])) == 2


def test_a_folder_has_the_splits_of_an_export_or_of_roboflow(tmp_path: Path) -> None:
    images = [
        image(region(ring(), region_id="a"), task_id=1, split="train"),
        image(region(disc(9, 9, 4), "blue"), task_id=2, split="val"),
    ]
    write(CocoWriter(), tmp_path / "coco", images, splits=("train", "val"))
    pictured = with_pictures(images, tmp_path / "pictures")
    write(RoboflowWriter(CocoWriter), tmp_path / "roboflow", pictured, splits=("train", "val"))
    for name in ("coco", "roboflow"):
        data_set = read_coco(tmp_path / name)
        assert [one.task_id for one in data_set.images] == [1, 2]
        assert data_set.labels == {"red": 1, "blue": 1}
        assert read(data_set.images[0]).regions[0].segmentation == images[0].regions[0].segmentation


WHOLE = [
    ("birds, 12", "is no JSON"),
    ("", "is empty"),
    ('{"images": [{"id": 5', "is cut off or damaged"),
    ('{"images": [{"id": NaN', "is cut off or damaged"),
    ("[]", "is a list, such as a JSON export of Label Studio"),
    ("7", "is 7, and no COCO data set"),
    ('{"annotations": [], "categories": []}', 'it has no "images"'),
    ('{"images": [], "annotations": []}', 'it has no "categories"'),
    ('{"images": {}, "annotations": [], "categories": []}', 'its "images" are {}'),
    (document({"segmentation": SQUARE}, categories=[]), "has annotations, but no categories"),
    (document({"segmentation": SQUARE, "category_id": 9}), "annotation 1 has the category_id 9; the file has: 1, 7"),
    (document({"segmentation": SQUARE, "image_id": 99}), "annotation 1 belongs to image 99, which the file does not"),
    (document({"id": 3}, {"id": 3}), "the annotation id 3 comes twice"),
    (document(images=[{"id": 5}, {"id": 5}]), "the image id 5 comes twice"),
    (document(images=[{"file_name": "a.jpg"}]), "image 1 in the file has no id"),
    (document(categories=[{"id": 1, "name": "red"}, {"id": 1, "name": "blue"}]), "the category id 1 comes twice"),
    (document(categories=[{"id": 1}]), "category 1 has no name"),
]


def with_text(old: str, new: str, *annotations: Json, **parts: Any) -> str:
    """A file with a text that `json.dumps` does not write."""
    text = json.dumps(document(*annotations, **parts))
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_text("17.5", "NaN", {"bbox": [1, 2, 17.5, 4]}), "annotation 1 has NaN in bbox[2], which is no number."),
        (
            with_text("17.5", "-Infinity", {"segmentation": [[0, 0, 17.5, 0, 1, 1]]}),
            "annotation 1 has -Infinity in segmentation[0][2], which is no number.",
        ),
        (with_text("17.5", "1e999", {"segmentation": SQUARE, "area": 17.5}), "annotation 1 has Infinity in area,"),
        (with_text("17.5", "NaN", {"attributes": {"age": 17.5}}), "annotation 1 has NaN in attributes.age,"),
        (with_text("17.5", "NaN", images=[{"id": 5, "width": 17.5}]), "image 5 has NaN in width,"),
        (with_text("17.5", "NaN", images=[{"id": 17.5}]), "image 1 in the file has NaN in id,"),
        (with_text("17.5", "NaN", info={"year": 17.5}), "the file has NaN in info.year,"),
        (
            with_text("17.5", "NaN", {"bbox": [17.5, 17.5, 1, 1]}, {"area": 17.5}),
            "annotation 1 has NaN in bbox[0] (and 2 more such values in the file), which is no number.",
        ),
    ],
)
def test_a_value_that_is_no_number_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(BadDataSet) as refused:
        found(tmp_path, content)
    assert f"a.json: {message}" in refused.value.message
    assert "leave the field out" in refused.value.remedy


@pytest.mark.parametrize(("content", "message"), WHOLE)
def test_a_file_that_is_no_data_set_is_refused(tmp_path: Path, content: Json | str, message: str) -> None:
    with pytest.raises(BadDataSet) as refused:
        found(tmp_path, content)
    assert "a.json" in refused.value.message and message in refused.value.message


def test_a_missing_file_and_a_folder_without_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataSet, match="No such file"):
        read_coco(tmp_path / "b.json")
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(BadDataSet, match=r"has no COCO file, but photo\.jpg"):
        read_coco(tmp_path)


SINGLE = [
    ({"segmentation": [[0, 0, 1, 1]]}, "has a polygon with 2 points, but three are needed."),
    ({"segmentation": [SQUARE[0], [0, 0, 1, 1]]}, "has polygon 2 of 2 with 2 points, but three are needed."),
    ({"segmentation": [[0, 0, 1, 1, 2]]}, "has a polygon that is no list of x and y in turn"),
    ({"segmentation": [[0, 0, 1, "x", 2, 3]]}, "has a polygon that is no list of x and y in turn"),
    ({"segmentation": [[0, 0, 1, 1e9, 2, 3]]}, "has a polygon that lies far outside of its image of 4x2."),
    ({"segmentation": "abc"}, "has a segmentation of an unknown kind"),
    ({"segmentation": {"size": [4, 2], "counts": "21102"}}, "has a mask of 2x4 on an image of 4x2."),
    ({"segmentation": {"size": [2, 4], "counts": "2110"}}, "has a broken RLE: its runs have 5 pixels"),
    ({"segmentation": {"size": [2, 4], "counts": [2, -1, 7]}}, "has a broken RLE: run 2 of its counts has a negative"),
    ({"segmentation": {"size": [2, 4], "counts": [8, 1e9]}}, "has a broken RLE: its counts are [8,"),
    ({"segmentation": {"size": [2, 4]}}, "has a broken RLE: its counts are None"),
    ({"segmentation": {"size": [2, 4], "counts": [8]}}, "covers no pixel."),
    ({"bbox": [1, 0, 0, 2]}, "has a box that covers no pixel of the image"),
    ({"bbox": [9, 9, 2, 2]}, "covers no pixel."),
    ({"bbox": "all"}, "has neither a segmentation nor a box of four numbers, but the bbox all"),
    ({}, "has neither a segmentation nor a box of four numbers"),
    ({"segmentation": SQUARE, "score": "high"}, "has the score high, which is no number."),
    (
        {"segmentation": SQUARE, "attributes": "pug"},
        "has the attributes 'pug', which are no object of names and values.",
    ),
    ({"category_id": 7, "keypoints": [1, 1, 2]}, "has no x, y and visibility for each of the 2 key points"),
    ({"category_id": 7, "keypoints": [1, 9, 2, 0, 0, 0]}, "has the key point 'nose' at 1, 9, outside of its image"),
]


@pytest.mark.parametrize(("annotation", "message"), SINGLE)
def test_a_bad_annotation_is_named_and_costs_only_itself(tmp_path: Path, annotation: Json, message: str) -> None:
    data_set = found(tmp_path, document(annotation, {"segmentation": SQUARE}))
    regions, bad = read_leniently(data_set.images[0])
    assert len(regions.regions) == 1 and len(bad) == 1
    assert bad[0].startswith(f'Annotation 1 of image 5 ("a.jpg") {message}')


def test_two_regions_of_an_image_with_one_id_are_told(tmp_path: Path) -> None:
    twice = {"segmentation": SQUARE, "region_id": "r1"}
    _, bad = read_leniently(found(tmp_path, document(twice, twice)).images[0])
    assert bad == ["Annotation 2 of image 5 (\"a.jpg\") has the region id 'r1', which another region of the image has."]


def test_files_of_two_exports_in_one_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(json.dumps(document()))
    other = document(images=[{"id": 5, "file_name": "b.jpg"}])
    (tmp_path / "keypoints.json").write_text(json.dumps(other))
    with pytest.raises(BadDataSet, match=r"image 5 is 'b\.jpg', but 'a\.jpg' in the file beside it"):
        read_coco(tmp_path)
