"""Export: from Label Studio's annotations to LabeledImages, with masks encoded by Label Studio's own SDK."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.converter import brush
from pycocotools import mask as coco_mask

from backend.bulk import Collected, category_names, collect
from backend.bulk.annotation_choice import list_annotations, pick_annotation
from backend.errors import ImageUnavailable
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import Task
from backend.label_studio.results import build_value
from backend.values import Mask, Size
from scripts.exporting import summary
from tests.export.coco_files import coco_of
from tests.scripts.fakes import CONFIG_XML

CONFIG = parse_labeling_config(CONFIG_XML)
Json = dict[str, Any]


def summarize(collected: Collected, path: Path) -> str:
    counts = summary.ExportCounts(collected)
    for _ in counts.data_set.watch(counts.regions.watch(collected.images)):
        pass
    return summary.summarize(counts, str(path), [])


def no_size(task: Task) -> Size:
    raise AssertionError(f"task {task.task_id}: nobody should have to look at the image")


def ring() -> Mask:
    ys, xs = np.mgrid[:24, :32]
    squared = (xs - 15) ** 2 + (ys - 11) ** 2
    return (squared <= 81) & (squared >= 25)


def brush_result(mask: Mask, label: str = "green", region_id: str = "r1", **fields: object) -> Json:
    value = {"format": "rle", "rle": brush.mask2rle(mask.astype(np.uint8) * 255), "brushlabels": [label]}
    height, width = mask.shape
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    return {
        **size,
        "id": region_id,
        "type": "brushlabels",
        "from_name": "mask",
        "to_name": "image",
        "value": value,
        **fields,
    }


def choice_result(control: str, chosen: str, region_id: str) -> Json:
    return {
        "id": region_id,
        "type": "choices",
        "from_name": control,
        "to_name": "image",
        "value": {"choices": [chosen]},
    }


def keypoint_result() -> Json:
    value = {"x": 50, "y": 50, "width": 0.2, "keypointlabels": ["green"]}
    size = {"original_width": 32, "original_height": 24}
    named = {"id": "k1", "type": "keypointlabels", "from_name": "click", "to_name": "image"}
    return {**size, **named, "is_positive": True, "value": value}


def task(number: int, *annotations: Json) -> Json:
    data = {"image": f"/data/upload/1/0123abcd-scene-{number}.png"}
    return {"id": number, "project": 1, "data": data, "annotations": list(annotations)}


def annotation(*results: Json, number: int = 1, **fields: object) -> Json:
    return {"id": number, "result": list(results), "was_cancelled": False, **fields}


def test_a_region_keeps_its_mask_label_id_score_and_choices() -> None:
    results = [brush_result(ring(), score=0.8), choice_result("class", "green ring", "r1")]
    results += [choice_result("scene", "wood", "c1")]
    found = collect([task(5, annotation(*results, number=9))], CONFIG, no_size)
    (image,) = found.images
    np.testing.assert_array_equal(coco_mask.decode(image.regions[0].segmentation).astype(bool), ring())
    coco = coco_of(found.images, category_names(CONFIG))
    entry = coco["annotations"][0]
    assert (entry["region_id"], entry["score"], entry["attributes"]) == ("r1", 0.8, {"class": "green ring"})
    assert [c["name"] for c in coco["categories"]] == ["red", "green"]
    assert entry["category_id"] == 2
    expected = {"id": 5, "file_name": "0123abcd-scene-5-task5.png", "width": 32, "height": 24, "task_id": 5}
    expected["coco_url"] = "/data/upload/1/0123abcd-scene-5.png"
    assert coco["images"] == [{**expected, "annotation_id": 9, "attributes": {"scene": "wood"}}]


def test_prompts_that_were_never_accepted_are_no_masks_but_tell_the_size() -> None:
    (image,) = collect([task(5, annotation(keypoint_result()))], CONFIG, no_size).images
    assert image.regions == ()
    assert image.size == Size(32, 24)


ALL_SHAPES = """
<View>
  <Image name="image" value="$image"/>
  <KeyPointLabels name="click" toName="image"><Label value="green"/></KeyPointLabels>
  <RectangleLabels name="drag" toName="image" smartOnly="true"><Label value="green"/></RectangleLabels>
  <PolygonLabels name="polygon" toName="image"><Label value="green"/></PolygonLabels>
  <RectangleLabels name="rectangle" toName="image" smart="false"><Label value="green"/></RectangleLabels>
  <EllipseLabels name="ellipse" toName="image"><Label value="green"/></EllipseLabels>
  <BitmaskLabels name="bitmask" toName="image"><Label value="green"/></BitmaskLabels>
  <BrushLabels name="brush" toName="image"><Label value="green"/></BrushLabels>
</View>
"""
TURNED = {"x": 50, "y": 12.5, "width": 25, "height": 12.5, "rotation": 90}  # 8 x 3 pixels, hanging down from (16, 3)
DRAWN = {
    "polygon": {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "closed": True},  # 16 x 12 pixels
    "rectangle": TURNED,
    "ellipse": {"x": 50, "y": 50, "radiusX": 25, "radiusY": 100 / 3, "rotation": 0},  # a circle of 8 pixels
}


def shape_result(kind: str, value: Json, region_id: str) -> Json:
    labels = f"{kind}labels"
    size = {"original_width": 32, "original_height": 24, "image_rotation": 0}
    named = {"id": region_id, "type": labels, "from_name": kind, "to_name": "image"}
    return {**size, **named, "value": {**value, labels: ["green"]}}


def test_regions_of_every_kind_are_exported_as_their_pixels() -> None:
    """pycocotools makes the same mask of the polygon."""
    drawn = {**DRAWN, "bitmask": build_value(ring(), "bitmask", tolerance=1)[0]}
    results = [*(shape_result(kind, value, kind) for kind, value in drawn.items()), brush_result(ring())]
    config = parse_labeling_config(ALL_SHAPES)
    (image,) = collect([task(5, annotation(*results))], config, no_size).images
    masks = {region.region_id: coco_mask.decode(region.segmentation) > 0 for region in image.regions}
    np.testing.assert_array_equal(masks["bitmask"], ring())
    np.testing.assert_array_equal(masks["r1"], ring())
    theirs = coco_mask.frPyObjects([[0, 0, 16, 0, 16, 12, 0, 12]], 24, 32)[0]
    np.testing.assert_array_equal(masks["polygon"], coco_mask.decode(theirs) > 0)
    assert np.argwhere(masks["rectangle"]).min(axis=0).tolist() == [3, 13]  # to the left of its corner (16, 3)
    assert np.argwhere(masks["rectangle"]).max(axis=0).tolist() == [10, 15]
    assert masks["ellipse"].sum() == pytest.approx(np.pi * 64, rel=0.05)
    entries = coco_of([image], category_names(config))["annotations"]
    assert [entry["bbox"] for entry in entries][:3] == [[0, 0, 16, 12], [13, 3, 3, 8], [8, 4, 16, 16]]


def test_prompts_are_counted_in_the_summary() -> None:
    box = shape_result("rectangle", DRAWN["rectangle"], "b1") | {"from_name": "drag"}
    results = [keypoint_result(), box, brush_result(ring())]
    found = collect(
        [task(5, annotation(*results)), task(6, annotation(box))], parse_labeling_config(ALL_SHAPES), no_size
    )
    assert [len(image.regions) for image in found.images] == [1, 0]
    expected = "skipped because they are prompts, or named by --drop: 1 keypointlabels, 2 rectanglelabels"
    assert expected in summarize(found, Path("a.json"))
    accepted = collect([task(5, annotation(brush_result(ring())))], CONFIG, no_size)
    assert "skipped" not in summarize(accepted, Path("a.json"))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (shape_result("brush", {"format": "rle"}, "r7"), '(brush): The brush has no mask: its value has no "rle"'),
        (shape_result("bitmask", {}, "r7"), '(bitmask): The bitmask has "imageDataURL": None'),
        (shape_result("polygon", {"points": [[1, 2]]}, "r7"), "(polygon): A polygon needs at least three points"),
        (shape_result("rectangle", TURNED | {"width": 0}, "r7"), '(rectangle): The rectangle has "width": 0'),
        (shape_result("ellipse", DRAWN["ellipse"] | {"radiusX": 0}, "r7"), '(ellipse): The ellipse has "radiusX": 0'),
    ],
)
def test_a_region_whose_shape_is_missing_fails_its_task_by_name(broken: Json, message: str) -> None:
    tasks = [task(5, annotation(broken)), task(6, annotation(brush_result(ring())))]
    found = collect(tasks, parse_labeling_config(ALL_SHAPES), no_size)
    assert [image.task_id for image in found.images] == [6]
    assert len(found.failures) == 1
    assert found.failures[0].startswith(f'task 5, annotation 1: Region "r7" {message}')
    assert message in summarize(found, Path("a.json"))


def test_a_region_without_a_label_fails_its_task_and_the_message_says_what_to_do() -> None:
    tasks = [
        task(26, annotation(brush_result(ring()), unlabeled_result("f"), number=10)),
        task(27, annotation(brush_result(ring()))),
    ]
    found = collect(tasks, parse_labeling_config(ALL_SHAPES), no_size)
    assert [image.task_id for image in found.images] == [27]
    remedy = "Assign one in Label Studio, or delete the region there."
    assert found.failures == [f'task 26, annotation 10: Region "f" (polygon) has no label. {remedy}']


def unlabeled_result(region_id: str) -> Json:
    return shape_result("polygon", DRAWN["polygon"], region_id) | {"value": DRAWN["polygon"]}


def test_bad_regions_can_be_left_out_alone_and_are_counted_and_named() -> None:
    flat = shape_result("rectangle", TURNED | {"width": 0}, "flat")
    damaged = annotation(unlabeled_result("f"), brush_result(ring()), flat, number=10)
    tasks = [task(26, damaged), task(27, annotation(brush_result(ring())))]
    found = collect(tasks, parse_labeling_config(ALL_SHAPES), no_size, skip_bad_regions=True)
    assert [[region.region_id for region in image.regions] for image in found.images] == [["r1"], ["r1"]]
    assert found.failures == []
    lines = summarize(found, Path("a.json")).splitlines()
    assert lines[0] == "a.json: 2 images (0 negatives), 2 masks; 0 tasks not annotated, 0 failed"
    assert lines[1] == "  skipped because they cannot be exported: 2 regions"
    assert lines[2].startswith('    task 26, annotation 10: Region "f" (polygon) has no label.')
    assert lines[3].startswith('    task 26, annotation 10: Region "flat" (rectangle): The rectangle has "width": 0')


def test_what_is_no_region_fails_the_task_though_bad_regions_are_left_out() -> None:
    page = """<View><Image name="a" value="$a"/><Image name="b" value="$b"/>
    <PolygonLabels name="polygon" toName="a"><Label value="green"/></PolygonLabels>
    <BrushLabels name="q" toName="b"><Label value="green"/></BrushLabels></View>"""

    def away(asked_for: Task) -> Size:
        raise ImageUnavailable(f"{asked_for.uri} is gone.", remedy="Upload it again.")

    results = [unlabeled_result("f") | {"to_name": "a"}]
    document = task(26, annotation(*results)) | {"data": {"a": "/a.png", "b": "/b.png"}}
    found = collect([document], parse_labeling_config(page), away, skip_bad_regions=True)
    assert (found.images, found.skipped) == ([], [])
    assert found.failures == ["task 26, annotation 1: /b.png is gone. Upload it again."]


def test_the_summary_says_that_the_others_are_exported_and_what_the_exit_status_is() -> None:
    tasks = [task(number, annotation(unlabeled_result("f"))) for number in range(1, 23)]
    found = collect([*tasks, task(99, annotation(brush_result(ring())))], parse_labeling_config(ALL_SHAPES), no_size)
    lines = summarize(found, Path("a.json")).splitlines()
    assert lines[0].endswith("1 images (0 negatives), 1 masks; 0 tasks not annotated, 22 failed")
    assert lines[1] == "  22 tasks could not be exported; all others are; exit status 1"
    assert lines[2].startswith('    task 1, annotation 1: Region "f" (polygon) has no label.')
    assert lines[-1] == "    … and 2 more" and len(lines) == 23


def test_regions_with_several_labels_are_exported_with_the_first_and_counted_with_an_example() -> None:
    def labeled(*labels: str, region_id: str = "r1") -> Json:
        value = brush_result(ring())["value"] | {"brushlabels": list(labels)}
        return brush_result(ring(), region_id=region_id) | {"value": value}

    erased = brush_result(np.zeros((24, 32), bool), region_id="none")
    erased["value"]["brushlabels"] = ["red", "green"]
    tasks = [task(26, annotation(erased, labeled("red"))), task(27, annotation(labeled("green", "red", region_id="f")))]
    found = collect([*tasks, task(28, annotation(labeled("red", "green")))], CONFIG, no_size)
    names = [category["name"] for category in coco_of(found.images, category_names(CONFIG))["categories"]]
    entries = coco_of(found.images, category_names(CONFIG))["annotations"]
    assert [names[entry["category_id"] - 1] for entry in entries] == ["red", "green", "red"]
    example = "region \"f\" of task 27 with 'green', 'red'"
    expected = f"  2 regions have several labels and were exported with the first; for example {example}"
    assert expected in summarize(found, Path("a.json")).splitlines()
    assert "several" not in summarize(collect(tasks[:1], CONFIG, no_size), Path("a.json"))


def test_a_negative_is_measured_by_looking_at_its_image() -> None:
    asked = []

    def look(asked_for: Task) -> Size:
        asked.append((asked_for.uri, asked_for.task_id, asked_for.project_id))
        return Size(640, 480)

    (image,) = collect([task(5, annotation())], CONFIG, look).images
    assert (image.size, image.regions) == (Size(640, 480), ())
    assert asked == [("/data/upload/1/0123abcd-scene-5.png", 5, "1")]


def test_tasks_that_nobody_annotated_are_left_out_unless_asked_for() -> None:
    tasks = [task(1), task(2, annotation(was_cancelled=True)), task(3, annotation(brush_result(ring())))]
    found = collect(tasks, CONFIG, no_size)
    assert ([image.task_id for image in found.images], found.unannotated) == ([3], 2)
    found = collect(tasks, CONFIG, lambda _: Size(32, 24), include_unannotated=True)
    assert [(image.task_id, image.annotation_id) for image in found.images] == [(1, None), (2, None), (3, 1)]


def test_the_ground_truth_speaks_for_a_task_otherwise_the_last_change() -> None:
    older = annotation(number=1, updated_at="2026-01-01T00:00:00Z")
    newer = annotation(number=2, updated_at="2026-02-01T00:00:00Z")
    skipped = annotation(number=3, updated_at="2026-03-01T00:00:00Z", was_cancelled=True)
    truth = annotation(number=4, updated_at="2025-01-01T00:00:00Z", ground_truth=True)
    assert pick_annotation(list_annotations(task(1, newer, older, skipped))) is newer
    assert pick_annotation(list_annotations(task(1, newer, truth, older))) is truth
    assert pick_annotation(list_annotations(task(1, skipped))) is None


def test_tasks_with_several_annotations_are_counted_in_the_summary() -> None:
    first, second = annotation(brush_result(ring())), annotation(brush_result(ring()), number=2)
    skipped, broken = annotation(was_cancelled=True, number=3), annotation(brush_result(ring(), "mauve"), number=4)
    tasks = [task(1, first, second), task(2, first, skipped), task(3, second, first), task(4, first, broken)]
    found = collect(tasks, CONFIG, no_size)
    assert [(image.task_id, image.annotation_id) for image in found.images] == [(1, 2), (2, 1), (3, 2)]
    expected = "  2 tasks had several annotations; exported the ground truth if marked, otherwise the newest"
    assert expected in summarize(found, Path("a.json")).splitlines()
    assert "several" not in summarize(collect(tasks[1:2], CONFIG, no_size), Path("a.json"))


def test_a_task_that_cannot_be_read_is_named_and_the_others_are_exported() -> None:
    def away(asked_for: Task) -> Size:
        raise ImageUnavailable(f"{asked_for.uri} is gone.", remedy="Upload it again.")

    damaged = brush_result(ring(), region_id="bad")
    damaged["value"]["rle"] = damaged["value"]["rle"][:9]
    tasks = [
        task(1, annotation(damaged)),
        task(2, annotation(brush_result(ring(), "mauve"))),
        task(3, annotation()),
        task(4, annotation(brush_result(ring()))),
    ]
    found = collect(tasks, CONFIG, away)
    assert [image.task_id for image in found.images] == [4]
    expected = [f"task {number}, annotation 1" for number in (1, 2, 3)]
    assert [failure.split(":")[0] for failure in found.failures] == expected
    assert 'Region "bad"' in found.failures[0]
    mauve = "has the label 'mauve', which is not among the labels for masks in the labeling config: red, green."
    assert f'task 2, annotation 1: Region "r1" (brush) {mauve} Assign one of these to it' in found.failures[1]
    assert "0123abcd-scene-3.png is gone. Upload it again." in found.failures[2]


def test_the_summary_counts_what_was_written_and_what_was_not(tmp_path: Any) -> None:
    empty = brush_result(np.zeros((24, 32), bool), region_id="none")
    tasks = [task(1), task(2, annotation(brush_result(ring()), empty)), task(3, annotation(keypoint_result()))]
    lines = summarize(collect(tasks, CONFIG, no_size), tmp_path).splitlines()
    assert lines[0] == f"{tmp_path}: 2 images (1 negatives), 1 masks; 1 tasks not annotated, 0 failed"
    assert lines[1:3] == ["  skipped 1 empty regions", '    task 2, annotation 1: region "none" (brush)']
    assert lines[3] == "  skipped because they are prompts, or named by --drop: 1 keypointlabels"
    assert lines[4:] == [
        "  1 annotations have an image with nothing else, which counts as one without objects; "
        "perhaps the mask was not accepted:",
        "    task 3, annotation 1",
    ]


def odd_result(**changes: Any) -> Json:
    return annotation(brush_result(ring()) | changes)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (
            task(1, annotation(None)),
            "Result 1 of an annotation must be an object, but is missing. The annotation is damaged",
        ),
        (task(1, annotation(5)), "Result 1 of an annotation must be an object, but is a number."),
        (task(1, annotation() | {"result": {"a": 1}}), '"result" of an annotation must be a list, but is an object.'),
        (task(1, annotation() | {"result": "abc"}), '"result" of an annotation must be a list, but is a string.'),
        (task(1, odd_result(id=[1])), "The id of result 1 of an annotation must be a string, but is [1]."),
        (
            task(1, None),
            '"annotations" of a task must be a list of objects, but is [None]. Open the task in Label Studio',
        ),
        (task(1) | {"annotations": 5}, '"annotations" of a task must be a list of objects, but is 5.'),
        (task(1) | {"annotations": {"a": 1}}, "\"annotations\" of a task must be a list of objects, but is {'a': 1}."),
        (task(1, annotation()) | {"id": "x"}, "The task could not be read (ValueError: invalid literal for int()"),
        (task(1, annotation()) | {"data": None}, '"data" of a task must be an object, but is missing.'),
        (task(1, annotation(number=[1]), annotation(number=2)), "The task could not be read (TypeError: "),
        (None, "The task could not be read (AttributeError: "),
    ],
)
def test_an_odd_task_is_named_with_its_reason_and_the_others_are_exported(odd: Any, reason: str) -> None:
    found = collect([odd, task(4, annotation(brush_result(ring())))], CONFIG, lambda _: Size(32, 24))
    assert found.images[-1].task_id == 4
    (failure,) = found.failures
    assert failure.startswith("task ") and reason in failure


def test_the_address_of_a_picture_is_exported_as_the_task_has_it() -> None:
    address = " s3://bucket/b%C3%BCro/pic.webp?versionId=1 "
    document = task(5, annotation(brush_result(ring()))) | {"data": {"image": address, "other": "x"}}
    (image,) = collect([document], CONFIG, no_size).images
    assert (image.image_uri, image.file_name) == (address, "pic-task5.webp")


def test_no_mask_is_kept_while_a_project_is_read() -> None:
    """Forty tasks of three masks at 640x480 are 37 MB decoded; one of them takes 0.3 MB."""
    mask = np.zeros((480, 640), bool)
    mask[100:300, 200:400] = True
    results = [brush_result(mask, region_id=f"r{number}") for number in range(3)]

    def tasks() -> Iterator[Json]:
        for number in range(1, 41):
            yield task(number, annotation(*results))

    tracemalloc.start()
    try:
        found = collect(tasks(), CONFIG, no_size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(region.area for image in found.images for region in image.regions) == 40 * 3 * 200 * 200
    assert peak < 6_000_000


def test_a_task_of_two_images_is_two_images_of_the_export() -> None:
    xml = """<View><Image name="left" value="$l"/><Image name="right" value="$r"/>
    <BrushLabels name="a" toName="left"><Label value="green"/></BrushLabels>
    <BrushLabels name="b" toName="right"><Label value="blue"/><Label value="green"/></BrushLabels></View>"""
    config = parse_labeling_config(xml)
    small = np.ones((4, 6), bool)
    results = [
        brush_result(ring(), to_name="left", from_name="a"),
        brush_result(small, "blue", "r2", to_name="right", from_name="b"),
    ]
    document = {
        "id": 1,
        "data": {"l": "/data/l.png", "r": "/data/r.png"},
        "annotations": [{"id": 5, "result": results}],
    }
    found = collect([document], config, no_size)
    assert [image.image_uri for image in found.images] == ["/data/l.png", "/data/r.png"]
    read = [(image.file_name, image.size, [region.label for region in image.regions]) for image in found.images]
    assert read == [("l-task1-left.png", Size(32, 24), ["green"]), ("r-task1-right.png", Size(6, 4), ["blue"])]
    assert category_names(config) == ("green", "blue")
    assert found.failures == []
