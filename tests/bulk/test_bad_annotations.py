"""Damaged annotations: each is named with its task and region, and none is exported as something else."""

from __future__ import annotations

from typing import Any

import pytest

from backend.export import AnnotationIds
from backend.values import Size
from tests.bulk.annotated import MIXED, Json, annotation, block, box, brush, point, read, result, task

PAINTED = brush(block(2, 2, 6, 6))
TWO_IMAGES = """
<View>
  <Image name="left" value="$left"/><Image name="right" value="$right"/>
  <BrushLabels name="a" toName="left"><Label value="cat"/></BrushLabels>
  <BrushLabels name="b" toName="right"><Label value="cat"/></BrushLabels>
</View>
"""


def with_rle(rle: Any) -> Json:
    return {**PAINTED, "value": {**PAINTED["value"], "rle": rle}}


DAMAGED: list[tuple[Json, str]] = [
    (with_rle(PAINTED["value"]["rle"][:-4]), "The brush mask is truncated: "),
    (with_rle([1, 2, 3]), "The brush mask is truncated: 3 bytes, less than its header."),
    (with_rle([300]), "A brush mask must be a list of integers from 0 to 255"),
    (with_rle("x"), "A brush mask must be a list of bytes, but is str."),
    ({**PAINTED, "original_width": 41}, "The brush mask holds 3200 values, but an image of 41x20 pixels has 3280."),
    ({**PAINTED, "original_width": None}, "It was saved with an image size of None x 20 pixels"),
    (brush(block(1, 1, 2, 2), "mauve"), "has the label 'mauve', which is not among the labels for masks"),
    (brush(block(1, 1, 2, 2), None), "has no label."),
]


@pytest.mark.parametrize(("damaged", "message"), DAMAGED)
def test_a_damaged_region_stops_its_task_and_is_named(damaged: Json, message: str) -> None:
    good = brush(block(20, 4, 3, 3), region_id="good")
    found = read(task(5, annotation(good, damaged, number=9)), task(6, annotation(PAINTED)))
    assert [image.task_id for image in found.images] == [6]
    (failure,) = found.failures
    assert failure.startswith('task 5, annotation 9: Region "m1" (brush)')
    assert message in failure


@pytest.mark.parametrize(("damaged", "message"), DAMAGED)
def test_a_damaged_region_can_be_skipped_alone_and_is_listed(damaged: Json, message: str) -> None:
    good = brush(block(20, 4, 3, 3), region_id="good")
    found = read(task(5, annotation(good, damaged)), skip_bad_regions=True)
    assert [[region.region_id for region in image.regions] for image in found.images] == [["good"]]
    (skipped,) = found.skipped
    assert skipped.startswith('task 5, annotation 1: Region "m1" (brush)') and message in skipped
    assert found.failures == []


def test_a_region_of_another_size_than_its_image_is_named_with_both_sizes() -> None:
    polygon = result("polygon", "outline", {"points": [[0, 0], [50, 0], [50, 50]]}, region_id="p1")
    found = read(task(5, annotation(PAINTED, {**polygon, "original_width": 80, "original_height": 40})))
    assert 'Region "p1" (polygon) has a mask of 80x40 on an image of 40x20.' in found.failures[0]


def test_two_shapes_with_one_id_are_refused_and_two_equal_ones_are_one_region() -> None:
    again = brush(block(9, 9, 4, 4))
    found = read(task(5, annotation(PAINTED, again)), task(6, annotation(PAINTED, PAINTED)))
    assert [[region.bbox for region in image.regions] for image in found.images] == [[(2, 2, 6, 6)]]
    expected = 'task 5, annotation 1: Region "m1" (brush) comes 2 times in the annotation, with different shapes.'
    assert found.failures[0].startswith(expected)


def test_an_accepted_shape_that_is_stored_again_under_a_prompts_control_is_no_second_shape() -> None:
    copy = {**PAINTED, "type": "keypointlabels", "from_name": "point"}
    copy["value"] = {key: part for key, part in PAINTED["value"].items() if key != "brushlabels"}
    found = read(task(5, annotation(PAINTED, copy)))
    assert [region.bbox for region in found.images[0].regions] == [(2, 2, 6, 6)]
    assert (found.failures, found.left_out) == ([], {})


def test_a_task_or_an_annotation_that_comes_twice_is_refused_the_second_time() -> None:
    found = read(
        task(5, annotation(PAINTED)), task(5, annotation(PAINTED, number=2)), task(6, *[annotation(PAINTED)] * 2)
    )
    assert [(image.task_id, image.annotation_id) for image in found.images] == [(5, 1)]
    assert [failure.partition(" Export")[0] for failure in found.failures] == [
        "task 5: The task id 5 comes twice.",
        "task 6: The annotation id 1 comes twice.",
    ]


def test_a_mask_of_zero_area_is_listed_with_its_task() -> None:
    found = read(task(5, annotation(PAINTED, brush(block(0, 0, 0, 0), region_id="gone"), number=9)))
    assert found.empty == ['task 5, annotation 9: region "gone" (brush)']
    assert [region.area for region in found.images[0].regions] == [36, 0]


@pytest.mark.parametrize("kind", ["vector", "hologram"])
def test_a_type_of_result_that_no_format_knows_fails_its_task_by_name(kind: str) -> None:
    odd = result(kind, "odd", {"vertices": [1]}, region_id="v1")
    odd["type"] = odd["type"] if kind == "vector" else kind
    found = read(task(5, annotation(PAINTED, odd)))
    expected = f"task 5, annotation 1: Region \"v1\" ({odd['type']}) of the control 'odd' has no area, so no format can"
    assert found.failures[0].startswith(expected)
    assert "Leave the regions of this control out with --drop odd." in found.failures[0]
    assert "no format holds; leave them out with --drop odd" in str(found.undecided["odd"])
    dropped = read(task(5, annotation(PAINTED, odd)), drop="odd")
    assert (len(dropped.images), dropped.left_out) == (1, {odd["type"]: 1})


def test_texts_numbers_and_relations_are_no_regions() -> None:
    whole = {"to_name": "image", "from_name": "x"}
    results: list[Json] = [
        {"id": "t", "type": "textarea", "value": {"text": ["a"]}, **whole},
        {"id": "n", "type": "number", "value": {"number": 3}, **whole},
        {"type": "relation", "from_id": "m1", "to_id": "m2", "direction": "right"},
        {"id": "w", "type": "labels", "from_name": "ner", "to_name": "text", "value": {"start": 0, "labels": ["A"]}},
        {"id": "h", "type": "hypertextlabels", "from_name": "ner", "to_name": "text", "value": {"start": "/p[1]"}},
    ]
    found = read(task(5, annotation(PAINTED, *results)))
    assert (found.failures, found.left_out, len(found.images)) == ([], {}, 1)


def test_message_lines_of_the_backend_are_left_out_and_counted() -> None:
    line = {"id": "backend-message", "type": "textarea", "from_name": "message", "to_name": "image"}
    found = read(task(5, annotation(PAINTED, {**line, "value": {"text": ["Nothing matches."]}})))
    assert (found.messages, found.failures) == (1, [])


def test_a_control_that_the_labeling_config_no_longer_has_is_undecided_for_boxes_and_points() -> None:
    smaller = MIXED.replace('name="box"', 'name="frame"').replace('name="point"', 'name="dot"')
    found = read(task(5, annotation(box(2, 2, 5, 5, region_id="b"), point(3, 3, region_id="k"))), config=smaller)
    assert set(found.undecided) == {"box", "point"}
    painted = {**PAINTED, "from_name": "old mask"}
    assert len(read(task(5, annotation(painted))).images) == 1  # no smart tool paints, and the label is known


def test_an_image_that_a_page_of_several_no_longer_has_is_named_and_its_regions_are_not_copied_to_the_others() -> None:
    left, gone = {**PAINTED, "to_name": "left"}, {**PAINTED, "to_name": "middle", "id": "m2"}
    document = task(5, annotation(left, gone)) | {"data": {"left": "/l.png", "right": "/r.png"}}
    found = read(document, config=TWO_IMAGES)
    expected = 'Region "m2" (brush) lies on the image middle, which the labeling config does not have.'
    assert found.images == [] and expected in found.failures[0]


def test_two_images_with_one_file_name_get_two() -> None:
    tasks = [task(number, annotation(PAINTED)) | {"data": {"image": "/a/photo.png"}} for number in (5, 6)]
    assert [image.file_name for image in read(*tasks).images] == ["photo-task5.png", "photo-task6.png"]


def test_the_images_of_a_page_have_ids_and_names_of_their_own() -> None:
    results = [{**PAINTED, "to_name": "left"}, {**PAINTED, "to_name": "right"}]
    document = task(5, annotation(*results)) | {"data": {"left": "/a.png", "right": "/a.png"}}
    first, second = read(document, config=TWO_IMAGES).images
    assert [first.file_name, second.file_name] == ["a-task5-left.png", "a-task5-right.png"]
    assert len({5, first.image_id, second.image_id}) == 3


def test_regions_without_an_id_have_the_same_one_in_every_export() -> None:
    nameless = [{**brush(block(number, 2, 3, 3)), "id": None} for number in range(2)]
    first, second = (read(task(5, annotation(*nameless))).images[0].regions for _ in range(2))
    assert [region.region_id for region in first] == [region.region_id for region in second]
    ids = AnnotationIds()
    assert len({ids.take(region.annotation_id, region.region_id) for region in first}) == 2


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (point(3, 3, control="pose", label="ear"), "has the label 'ear'; the labels of key points in the labeling"),
        (point(3, 3, control="pose", label=None), "has no label; the labels of key points in the labeling config are"),
        (result("keypoint", "pose", {"x": "3", "y": 2}, "nose"), "It lies at 3, 2 percent of an image of 40x20."),
    ],
)
def test_a_damaged_key_point_fails_its_task_by_name(damaged: Json, message: str) -> None:
    (failure,) = read(task(5, annotation(PAINTED, damaged))).failures
    assert failure.startswith('task 5, annotation 1: Region "r1" (keypoint)') and message in failure


def test_a_negative_takes_its_size_from_any_annotation_of_its_task() -> None:
    """`read` fails when the image is looked at."""
    newest = annotation(number=2, updated_at="2026-02-01T00:00:00Z")
    found = read(task(5, annotation(PAINTED, updated_at="2026-01-01T00:00:00Z"), newest))
    assert [(image.annotation_id, image.size, image.regions) for image in found.images] == [(2, Size(40, 20), ())]
