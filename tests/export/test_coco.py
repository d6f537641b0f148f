"""The COCO document against hand arithmetic, pycocotools and COCOeval."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from backend.errors import ExportError
from backend.export import EncodedRegion, LabeledImage, build_coco, check_region, count_empty, encode_region
from backend.export.records import encode_coco_rle
from backend.values import Mask, Size

CATEGORIES = ("red", "green", "blue")


def disc(width: int, height: int, x: float, y: float, radius: float) -> Mask:
    ys, xs = np.mgrid[:height, :width]
    return (xs - x) ** 2 + (ys - y) ** 2 <= radius**2


def ring(width: int = 64, height: int = 48) -> Mask:
    return disc(width, height, 30, 20, 15) & ~disc(width, height, 30, 20, 8)


def two_parts(width: int = 64, height: int = 48) -> Mask:
    return disc(width, height, 10, 10, 5) | disc(width, height, 50, 35, 7)


def region(mask: Mask, label: str = "red", region_id: str = "r", **fields: object) -> EncodedRegion:
    return encode_region(mask, label, region_id, **fields)  # type: ignore[arg-type]


def image(
    *regions: EncodedRegion, file_name: str = "a.png", task_id: int = 7, size: Size = Size(64, 48)
) -> LabeledImage:
    return LabeledImage(file_name, size, task_id, annotation_id=70 + task_id, regions=regions)


def load(document: dict, folder: Path) -> COCO:
    path = folder / "instances.json"
    path.write_text(json.dumps(document))
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_a_mask_of_two_pixels_is_what_one_writes_by_hand() -> None:
    mask = np.array([[False, True, True, False], [False] * 4])
    coco = build_coco([image(region(mask), size=Size(4, 2))], CATEGORIES)
    entry = coco["annotations"][0]
    assert entry["segmentation"] == {"size": [2, 4], "counts": "21102"}
    assert (entry["area"], entry["bbox"]) == (2, [1, 0, 2, 1])
    assert (entry["id"], entry["image_id"], entry["category_id"], entry["iscrowd"]) == (1, 1, 1, 0)


def test_categories_keep_the_order_of_the_labeling_config_with_ids_from_one_used_or_not() -> None:
    coco = build_coco([image(region(ring(), "blue"))], CATEGORIES)
    assert [(c["id"], c["name"]) for c in coco["categories"]] == [(1, "red"), (2, "green"), (3, "blue")]
    assert coco["annotations"][0]["category_id"] == 3


def test_holes_and_parts_survive_and_stay_one_annotation(tmp_path: Path) -> None:
    masks = [ring(), two_parts()]
    coco = load(build_coco([image(*(region(mask) for mask in masks))], CATEGORIES), tmp_path)
    assert len(coco.anns) == 2
    for mask, entry in zip(masks, coco.loadAnns([1, 2]), strict=True):
        np.testing.assert_array_equal(coco.annToMask(entry).astype(bool), mask)


@settings(max_examples=60, deadline=None)
@given(npst.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_any_mask_comes_back_from_pycocotools_with_its_area_and_box(mask: Mask) -> None:
    rle = encode_coco_rle(mask)
    np.testing.assert_array_equal(coco_mask.decode(rle).astype(bool), mask)
    size = Size(mask.shape[1], mask.shape[0])
    annotations = build_coco([image(region(mask), size=size)], CATEGORIES)["annotations"]
    if mask.any():
        assert annotations[0]["area"] == int(coco_mask.area(rle))
        assert annotations[0]["bbox"] == [int(side) for side in coco_mask.toBbox(rle)]
    else:
        assert annotations == []


def test_images_without_objects_are_kept_as_negatives() -> None:
    coco = build_coco([image(), image(region(ring()), file_name="b.png", task_id=8)], CATEGORIES)
    assert [(i["id"], i["file_name"], i["task_id"]) for i in coco["images"]] == [(1, "a.png", 7), (2, "b.png", 8)]
    assert [a["image_id"] for a in coco["annotations"]] == [2]


def test_a_region_that_was_erased_completely_is_counted_and_left_out() -> None:
    images = [image(region(np.zeros((48, 64), bool)), region(ring()))]
    assert count_empty(images) == 1
    assert len(build_coco(images, CATEGORIES)["annotations"]) == 1


def test_every_image_says_where_its_picture_is_and_pycocotools_reads_it(tmp_path: Path) -> None:
    uri = "/data/local-files/?d=imgs/d%20640.png"
    labeled = LabeledImage("d 640.png", Size(64, 48), 7, 77, image_uri=uri)
    coco = load(build_coco([labeled, labeled], CATEGORIES), tmp_path)
    assert [entry["coco_url"] for entry in coco.loadImgs([1, 2])] == [uri, uri]
    assert [entry["file_name"] for entry in coco.loadImgs([1, 2])] == ["d 640.png", "d 640-task7.png"]


def test_same_file_names_are_told_apart_by_their_task() -> None:
    images = [image(file_name="a.png", task_id=task) for task in (1, 2, 2)] + [image(file_name="noend", task_id=4)] * 2
    names = [entry["file_name"] for entry in build_coco(images, CATEGORIES)["images"]]
    assert names == ["a.png", "a-task2.png", "a-task2-2.png", "noend", "noend-task4"]


def test_ids_choices_and_scores_travel_along() -> None:
    chosen = {"class": ("red ring",), "tags": ("old", "wet"), "none": ()}
    labeled = LabeledImage(
        "a.png",
        Size(64, 48),
        7,
        77,
        (region(ring(), region_id="xyz", choices=chosen, score=0.93),),
        {"scene": ("wood",)},
    )
    coco = build_coco([labeled], CATEGORIES)
    assert coco["annotations"][0]["attributes"] == {"class": "red ring", "tags": ["old", "wet"]}
    assert coco["annotations"][0]["region_id"] == "xyz"
    assert coco["annotations"][0]["score"] == 0.93
    assert coco["images"][0]["attributes"] == {"scene": "wood"}
    assert coco["images"][0]["annotation_id"] == 77


def test_a_mask_that_a_person_painted_has_no_score() -> None:
    assert "score" not in build_coco([image(region(ring()))], CATEGORIES)["annotations"][0]


def test_cocoeval_of_the_file_against_itself_is_perfect(tmp_path: Path) -> None:
    images = [
        image(region(ring(), "red"), region(two_parts(), "blue")),
        image(file_name="negative.png", task_id=8),
        image(region(disc(64, 48, 20, 30, 12), "green"), file_name="c.png", task_id=9),
    ]
    truth = load(build_coco(images, CATEGORIES), tmp_path)
    for kind in ("segm", "bbox"):
        detections = [{**entry, "score": 1.0} for entry in truth.dataset["annotations"]]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(truth, truth.loadRes(detections), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        assert evaluation.stats[0] == pytest.approx(1.0, abs=1e-9)


def test_an_unknown_label_is_refused_by_name() -> None:
    with pytest.raises(ExportError) as caught:
        build_coco([image(region(ring(), "mauve", "abc"))], CATEGORIES)
    where = "Task 7, annotation 77: Region \"abc\" has the label 'mauve', which"
    assert (
        caught.value.message == f"{where} is not among the labels for masks in the labeling config: red, green, blue."
    )
    assert "restore its label in the labeling config" in caught.value.remedy


@pytest.mark.parametrize(
    ("label", "categories", "message"),
    [
        (
            "mauve",
            ("red", "blue"),
            "(polygon) has the label 'mauve', which is not among the labels for masks in the labeling config: red",
        ),
        ("", ("red",), "(polygon) has no label. Assign one in Label Studio, or delete the region there."),
        ("", (), "(polygon) cannot be exported because the labeling config has no labels for masks. Add labels to it"),
    ],
)
def test_a_region_is_refused_by_its_kind_and_its_label(label: str, categories: tuple[str, ...], message: str) -> None:
    drawn = region(ring(), label, "abc", kind="polygon")
    with pytest.raises(ExportError) as caught:
        check_region(drawn, Size(64, 48), categories)
    assert str(caught.value).startswith(f'Region "abc" {message}')


def test_a_mask_of_another_size_than_its_image_is_refused_with_both_sizes() -> None:
    with pytest.raises(ExportError) as caught:
        build_coco([image(region(ring(32, 48), region_id="abc"))], CATEGORIES)
    assert caught.value.message == 'Task 7, annotation 77: Region "abc" has a mask of 32x48 on an image of 64x48.'
    assert "draw it again" in caught.value.remedy
