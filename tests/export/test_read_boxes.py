"""Boxes of COCO data sets and of detectors' results; what cannot be a prompt is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from backend.errors import BadDataSet
from backend.export import FoundBox, read_boxes

Json = dict[str, Any]
IMAGES = [
    {"id": 1, "file_name": "a.jpg", "width": 640, "height": 480},
    {"id": 2, "file_name": "sub/b.jpg", "width": 320, "height": 240, "task_id": 12},
]
CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def annotation(number: int, image: int = 1, category: int = 3, bbox: object = (10, 20, 30, 40), **more: object) -> Json:
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox, **more}


def detection(image: object = 1, category: object = 3, bbox: object = (10, 20, 30, 40), score: object = 0.5) -> Json:
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": score}


def data_set(*annotations: Json) -> Json:
    return {"images": IMAGES, "categories": CATEGORIES, "annotations": list(annotations)}


def test_a_data_set_has_the_boxes_of_its_annotations_in_their_order(tmp_path: Path) -> None:
    second = annotation(5, 1, 7, [0.5, 1.5, 2, 3], score=0.25)
    path = write(tmp_path / "a.json", data_set(annotation(4), annotation(9, 2), second))
    found = read_boxes(path)
    first, other = found.data_set.images
    assert first.boxes == (FoundBox((10, 20, 40, 60), "cat"), FoundBox((0.5, 1.5, 2.5, 4.5), "dog", 0.25))
    assert (first.file_name, str(first.size)) == ("a.jpg", "640x480")
    assert (other.file_name, other.task_id, len(other.boxes)) == ("sub/b.jpg", 12, 1)
    assert found.data_set.labels == {"cat": 2, "dog": 1}
    assert (found.bad, found.low, found.crowds) == ([], 0, 0)


def test_a_folder_with_one_coco_file_is_read_and_one_with_several_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "instances.json", data_set(annotation(4)))
    assert read_boxes(tmp_path).data_set.labels == {"cat": 1}
    write(tmp_path / "instances_val.json", data_set(annotation(5)))
    with pytest.raises(BadDataSet, match=r"has 2 COCO files: instances\.json, instances_val\.json") as error:
        read_boxes(tmp_path)
    assert error.value.remedy == "Name one of them."


def test_results_of_a_detector_take_images_and_categories_from_another_file(tmp_path: Path) -> None:
    images = write(tmp_path / "info.json", {"images": IMAGES, "categories": CATEGORIES})  # as COCO's test sets
    results = write(tmp_path / "results.json", [detection(), detection(2, 7, [1, 2, 3, 4], 0.75)])
    first, second = read_boxes(results, images).data_set.images
    assert (first.file_name, first.boxes) == ("a.jpg", (FoundBox((10, 20, 40, 60), "cat", 0.5),))
    assert (second.task_id, second.boxes) == (12, (FoundBox((1, 2, 4, 6), "dog", 0.75),))


def test_results_without_another_file_name_pictures_and_labels_themselves(tmp_path: Path) -> None:
    named = {**detection("42"), "file_name": "night/0042.png", "category_name": "cat"}
    results = write(tmp_path / "predictions.json", [named, detection(42, 7), detection("000042", 7)])
    pictures = {image.file_name: image for image in read_boxes(results).data_set.images}
    assert list(pictures) == ["night/0042.png", "42", "000042"]
    assert [image.has_ending for image in pictures.values()] == [True, False, False]
    assert [image.boxes[0].label for image in pictures.values()] == ["cat", "7", "7"]


def test_boxes_below_the_minimum_score_and_of_groups_are_counted_and_those_without_a_score_stay(tmp_path: Path) -> None:
    entries = [annotation(1, score=0.29), annotation(2, score=0.3), annotation(3), annotation(4, iscrowd=1)]
    found = read_boxes(write(tmp_path / "a.json", data_set(*entries)), min_score=0.3)
    (image,) = found.data_set.images
    assert [box.score for box in image.boxes] == [0.3, None]
    assert (found.low, found.crowds, found.data_set.labels) == (1, 1, {"cat": 2})


@pytest.mark.parametrize(
    ("bbox", "says"),
    [
        ([10, 20, 0, 5], "has the bbox [10, 20, 0, 5], which has no area."),
        ([10, 20, 5, -1], "has the bbox [10, 20, 5, -1], which has no area."),
        ([640, 20, 5, 5], "has the bbox [640, 20, 5, 5] outside its image, which is 640x480."),
        ([-9, 20, 9, 5], "has the bbox [-9, 20, 9, 5] outside its image, which is 640x480."),
        ([0.1, 0.2, 0.3, 0.4], "has the bbox [0.1, 0.2, 0.3, 0.4], which lies in the first pixel, as shares"),
        ([1, 2, 3], "has the bbox [1, 2, 3], which is not four numbers."),
        ([1, 2, "3", 4], "which is not four numbers."),
        (None, "has the bbox None, which is not four numbers."),
    ],
)
def test_a_box_that_cannot_be_a_prompt_is_named_and_the_others_are_read(
    tmp_path: Path, bbox: object, says: str
) -> None:
    found = read_boxes(write(tmp_path / "a.json", data_set(annotation(1, bbox=bbox), annotation(2))))
    (reason,) = found.bad
    assert reason.startswith("Annotation 1 of a.json has ") and says in reason
    assert "COCO's bbox is [left, top, width, height] in pixels" in reason
    assert [len(image.boxes) for image in found.data_set.images] == [1]


def test_a_score_of_a_hundred_is_named(tmp_path: Path) -> None:
    found = read_boxes(write(tmp_path / "a.json", [detection(score=87), detection(score="high"), detection()]))
    assert [reason.split(" has ")[1] for reason in found.bad] == [
        "the score 87, which is no number from 0 to 1. Divide percentages by 100, or leave the scores out.",
        "the score high, which is no number from 0 to 1. Divide percentages by 100, or leave the scores out.",
    ]
    assert len(found.data_set.images) == 1


def test_results_of_other_images_or_categories_than_the_other_files_are_named(tmp_path: Path) -> None:
    images = write(tmp_path / "info.json", {"images": IMAGES, "categories": CATEGORIES})
    entries = [detection(5), detection(1, 99), {"bbox": [1, 2, 3, 4], "file_name": "a.jpg"}, detection()]
    found = read_boxes(write(tmp_path / "r.json", entries), images)
    assert [reason.partition(" of r.json ")[2] for reason in found.bad] == [
        "is of image 5, which is not among the file's images. Name the file that lists it with --coco-images.",
        "has the category_id 99; the categories are 3, 7. Name the file that lists its categories with --coco-images.",
        "has no image_id. Name a COCO data set with boxes, or a detector's results: a list of image_id, category_id, "
        "bbox and score.",
    ]
    assert len(found.data_set.images) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("[1, 2", "is cut off or damaged"),
        ("[1, 2]", "entry 1 is no detection: 1"),
        (
            '[{"image_id": 1}, {"image_id": 1, "score": NaN}]',
            "entry 2 in the file has NaN in score, which is no number",
        ),
        ('[{"id": 4, "data": {"image": "a.jpg"}, "annotations": []}]', "entry 1 is no detection: {'id': 4"),
        ('{"images": []}', 'is no COCO data set: it has no "annotations"'),
        ("7", "is 7, and no COCO data set"),
    ],
)
def test_a_file_that_is_no_box_file_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(BadDataSet) as refused:
        read_boxes(path)
    assert says in refused.value.message and refused.value.remedy


def test_a_data_set_needs_no_other_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", data_set(annotation(1)))
    with pytest.raises(BadDataSet, match="has images of its own") as refused:
        read_boxes(path, path)
    assert refused.value.remedy == "Leave out --coco-images."


def test_other_files_have_other_digests(tmp_path: Path) -> None:
    images = write(tmp_path / "info.json", {"images": IMAGES, "categories": CATEGORIES})
    others = write(tmp_path / "others.json", {"images": IMAGES, "categories": CATEGORIES[::-1]})
    path = write(tmp_path / "r.json", [detection()])
    digests = [read_boxes(path, images).data_set.digest, read_boxes(path, others).data_set.digest]
    digests.append(read_boxes(write(path, [detection(score=0.51)]), images).data_set.digest)
    assert len(set(digests)) == 3
    assert read_boxes(path, images).data_set.digest == digests[2]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 2),
            st.sampled_from([3, 7]),
            st.tuples(*[st.floats(0, 300)] * 2, *[st.floats(2, 400)] * 2),
            st.floats(0, 1),
        ),
        min_size=1,
    )
)
def test_pycocotools_reads_the_same_boxes_of_a_detectors_results(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, int, tuple[float, ...], float]]
) -> None:
    folder = tmp_path_factory.mktemp("boxes")
    size = {"width": 1000, "height": 1000}
    images = write(folder / "info.json", data_set() | {"images": [image | size for image in IMAGES]})
    results = write(
        folder / "r.json", [detection(image, category, list(box), score) for image, category, box, score in entries]
    )
    truth = COCO(str(images))
    loaded = truth.loadRes(str(results))
    found = read_boxes(results, images)
    assert found.bad == []
    names = {category["id"]: category["name"] for category in CATEGORIES}
    for image in found.data_set.images:
        expected = loaded.loadAnns(loaded.getAnnIds(imgIds=[image.image_id]))
        assert [box.label for box in image.boxes] == [names[one["category_id"]] for one in expected]
        assert [box.score for box in image.boxes] == [one["score"] for one in expected]
        for box, one in zip(image.boxes, expected, strict=True):
            left, top, right, bottom = box.box_xyxy
            assert (left, top) == tuple(one["bbox"][:2])
            assert (right - left, bottom - top) == pytest.approx(one["bbox"][2:], abs=1e-9)
    assert sum(len(image.boxes) for image in found.data_set.images) == len(entries)
