"""The COCO document against hand arithmetic, pycocotools, COCOeval and hotcoco."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as coco_mask

from backend.errors import ExportError
from backend.export import DataSet, LabeledImage, check_region, count_empty, write_coco
from backend.export.identities import AnnotationIds
from backend.export.records import encode_coco_rle
from backend.export.writers.coco import CocoWriter
from backend.values import Mask, Size
from tests.export.coco_files import coco_of, judge_itself, load, load_file
from tests.export.sets import CATEGORIES, SIZE, disc, image, list_files, region, ring, two_parts, with_pictures, write


def test_a_mask_of_two_pixels_is_what_one_writes_by_hand() -> None:
    mask = np.array([[False, True, True, False], [False] * 4])
    coco = coco_of([image(region(mask), size=Size(4, 2))])
    entry = coco["annotations"][0]
    assert entry["segmentation"] == {"size": [2, 4], "counts": "21102"}
    assert (entry["area"], entry["bbox"]) == (2, [1, 0, 2, 1])
    assert (entry["image_id"], entry["category_id"], entry["iscrowd"]) == (7, 1, 0)


def test_categories_keep_the_order_of_the_labeling_config_with_ids_from_one_used_or_not() -> None:
    coco = coco_of([image(region(ring(), "blue"))])
    assert [(c["id"], c["name"]) for c in coco["categories"]] == [(1, "red"), (2, "green"), (3, "blue")]
    assert coco["annotations"][0]["category_id"] == 3


def test_ids_do_not_depend_on_what_else_is_exported() -> None:
    first, second = image(region(ring(), region_id="a")), image(region(ring(), region_id="b"), task_id=9)
    both, alone = coco_of([first, second]), coco_of([second])
    assert [entry["id"] for entry in both["images"]] == [7, 9]
    assert both["annotations"][1] == alone["annotations"][0]
    assert both["annotations"][1]["id"] == AnnotationIds().take(79, "b")


def test_a_region_belongs_to_the_annotation_that_it_was_read_from() -> None:
    """Of a consensus the regions come from several annotations."""
    coco = coco_of([image(region(ring(), region_id="a", annotation_id=5))])
    assert coco["annotations"][0]["id"] == AnnotationIds().take(5, "a")


def test_two_exports_of_the_same_annotations_have_the_same_bytes(tmp_path: Path) -> None:
    images = [image(region(ring(), "red"), region(two_parts(), "blue", "s")), image(task_id=8)]
    for folder in ("one", "two"):
        write(CocoWriter(), tmp_path / folder, images)
    assert list_files(tmp_path / "one") == list_files(tmp_path / "two")
    assert list(list_files(tmp_path / "one")) == ["instances.json"]


def test_holes_and_parts_survive_and_stay_one_annotation(tmp_path: Path) -> None:
    masks = [ring(), two_parts()]
    coco = load(coco_of([image(*(region(mask, region_id=str(n)) for n, mask in enumerate(masks)))]), tmp_path)
    for mask, entry in zip(masks, coco.dataset["annotations"], strict=True):
        np.testing.assert_array_equal(coco.annToMask(entry).astype(bool), mask)


@settings(max_examples=60, deadline=None)
@given(npst.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_any_mask_comes_back_from_pycocotools_with_its_area_and_box(mask: Mask) -> None:
    rle = encode_coco_rle(mask)
    size = Size(mask.shape[1], mask.shape[0])
    annotations = coco_of([image(region(mask), size=size)])["annotations"]
    if mask.any():
        np.testing.assert_array_equal(coco_mask.decode(annotations[0]["segmentation"]).astype(bool), mask)
        assert annotations[0]["area"] == int(coco_mask.area(rle))
        assert annotations[0]["bbox"] == [int(side) for side in coco_mask.toBbox(rle)]
    else:
        assert annotations == []


def test_images_without_objects_are_kept_as_negatives() -> None:
    coco = coco_of([image(), image(region(ring()), task_id=8)])
    expected = [(7, "photo-task7.png", 7), (8, "photo-task8.png", 8)]
    assert [(i["id"], i["file_name"], i["task_id"]) for i in coco["images"]] == expected
    assert [a["image_id"] for a in coco["annotations"]] == [8]


def test_an_empty_data_set_is_a_document_too(tmp_path: Path) -> None:
    coco = load(coco_of([]), tmp_path)
    assert (coco.getImgIds(), coco.getAnnIds(), len(coco.getCatIds())) == ([], [], 3)


def test_a_region_that_was_erased_completely_is_counted_and_left_out() -> None:
    images = [image(region(np.zeros((48, 64), bool)), region(ring(), region_id="s"))]
    assert count_empty(images) == 1
    assert len(coco_of(images)["annotations"]) == 1


def test_every_image_says_where_its_picture_is_and_pycocotools_reads_it(tmp_path: Path) -> None:
    uri = "/data/local-files/?d=imgs/d%20640.png"
    (entry,) = load(coco_of([image(image_uri=uri)]), tmp_path).loadImgs([7])
    assert (entry["coco_url"], entry["file_name"]) == (uri, "photo-task7.png")


def test_ids_choices_kinds_and_scores_travel_along() -> None:
    chosen = {"class": ("red ring",), "tags": ("old", "wet"), "none": ()}
    drawn = region(ring(), region_id="xyz", choices=chosen, score=0.93, kind="rectangle")
    coco = coco_of([image(drawn, choices={"scene": ("wood",)})])
    assert coco["annotations"][0]["attributes"] == {"class": "red ring", "tags": ["old", "wet"]}
    assert coco["annotations"][0]["region_id"] == "xyz"
    assert coco["annotations"][0]["kind"] == "rectangle"
    assert coco["annotations"][0]["score"] == 0.93
    assert coco["images"][0]["attributes"] == {"scene": "wood"}
    assert coco["images"][0]["annotation_id"] == 77


def test_a_mask_that_a_person_painted_has_no_score_and_an_unknown_shape_no_kind() -> None:
    assert not {"score", "kind"} & coco_of([image(region(ring()))])["annotations"][0].keys()


def many_sizes() -> list[LabeledImage]:
    """More than 100 regions in one picture, small ones, medium ones and a large one."""
    size = Size(400, 300)
    small = [
        region(disc(10 + 25 * (n % 15), 10 + 25 * (n // 15), 4, size), CATEGORIES[n % 3], f"s{n}") for n in range(110)
    ]
    medium = [region(disc(60 + 90 * n, 240, 30, size), CATEGORIES[n], f"m{n}") for n in range(3)]
    large = region(disc(200, 150, 120, size) & ~disc(200, 150, 40, size), "red", "l")
    return [image(*small, *medium, size=size), image(large, task_id=8, size=size), image(task_id=9, size=size)]


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_cocoeval_of_the_file_against_itself_is_perfect_in_every_bin(kind: str, tmp_path: Path) -> None:
    precision = judge_itself(load(coco_of(many_sizes()), tmp_path), kind).eval["precision"]
    by_area = precision[..., -1].min(axis=(0, 1))  # classes x (all, small, medium, large); -1 where there is nothing
    np.testing.assert_allclose(by_area, [[1, 1, 1, 1], [1, 1, 1, -1], [1, 1, 1, -1]], atol=1e-9)


def test_hotcoco_agrees(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco_of(many_sizes())))
    truth = hotcoco.COCO(str(path))
    detections = tmp_path / "detections.json"
    entries = json.loads(path.read_text())["annotations"]
    kept = ("image_id", "category_id", "segmentation", "bbox")
    detections.write_text(json.dumps([{**{name: entry[name] for name in kept}, "score": 1.0} for entry in entries]))
    evaluation = hotcoco.COCOeval(truth, truth.load_res(str(detections)), "segm")
    evaluation.params.max_dets = [1, 10, 200]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])[..., -1]
    assert precision[precision > -1].min() == pytest.approx(1, abs=1e-9)
    assert (precision > -1).any(axis=(0, 1)).tolist() == [[True] * 4, [True, True, True, False], [True] * 3 + [False]]


def test_groups_are_crowds() -> None:
    coco = coco_of([image(region(ring(), is_crowd=True), region(two_parts(), region_id="s"))])
    assert [entry["iscrowd"] for entry in coco["annotations"]] == [1, 0]


def test_each_split_is_a_document_with_all_categories(tmp_path: Path) -> None:
    images = [image(region(ring()), split="train"), image(region(ring()), task_id=8, split="val")]
    write(CocoWriter(), tmp_path / "out", images, splits=("train", "val", "test"))
    assert list(list_files(tmp_path / "out")) == [f"instances_{split}.json" for split in ("test", "train", "val")]
    found = {split: load_file(tmp_path / "out" / f"instances_{split}.json") for split in ("train", "val", "test")}
    assert [one.getImgIds() for one in found.values()] == [[7], [8], []]
    assert {tuple(one.getCatIds()) for one in found.values()} == {(1, 2, 3)}


def test_pictures_lie_beside_the_document_under_their_names(tmp_path: Path) -> None:
    (pictured,) = with_pictures([image(region(ring()))], tmp_path / "pictures")
    write(CocoWriter(), tmp_path / "out", [pictured])
    entry = json.loads((tmp_path / "out" / "instances.json").read_text())["images"][0]
    assert pictured.picture is not None
    assert (tmp_path / "out" / "images" / entry["file_name"]).read_bytes() == pictured.picture.read_bytes()


def test_no_image_is_kept_in_memory(tmp_path: Path) -> None:
    """400 images of ten masks are 50 MB of entries; what is kept is an id for each mask."""
    noise = np.random.default_rng(0).random((60, 60)) > 0.5
    encoded = encode_coco_rle(noise)
    regions = [region(noise, region_id=f"{n}-") for n in range(10)]

    def images() -> Iterator[LabeledImage]:
        for number in range(1, 401):
            yield image(*regions, task_id=number, size=Size(60, 60))

    tracemalloc.start()
    try:
        write_coco(tmp_path / "instances.json", images(), DataSet("noise", CATEGORIES))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "instances.json").stat().st_size > 4000 * len(encoded["counts"])
    assert peak < 4_000_000


def test_an_interrupted_file_leaves_the_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    def images() -> Iterator[LabeledImage]:
        yield image(region(ring()))
        raise ExportError("The network is gone.", remedy="Try again.")

    path = tmp_path / "instances.json"
    path.write_text("earlier")
    with pytest.raises(ExportError):
        write_coco(path, images(), DataSet("shapes", CATEGORIES))
    assert list_files(tmp_path) == {"instances.json": b"earlier"}


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
        check_region(drawn, SIZE, categories)
    assert str(caught.value).startswith(f'Region "abc" {message}')


def test_a_mask_of_another_size_than_its_image_is_refused_with_both_sizes() -> None:
    with pytest.raises(ExportError) as caught:
        check_region(region(ring(Size(32, 48)), region_id="abc"), SIZE, CATEGORIES)
    assert caught.value.message == 'Region "abc" has a mask of 32x48 on an image of 64x48.'
    assert "draw it again" in caught.value.remedy
