"""Boxes of a file and rectangles of a project find their tasks; what is left out is named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from backend.errors import BadDataSet
from backend.export import BoxFile, FoundBox, FoundDataSet, FoundRegions, read_boxes
from backend.export.found_images import FoundImage
from backend.importing import BoxPlan, DrawnBoxes, TaskIndex, plan_file_boxes
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import ImageBoxes, LabeledBox
from backend.values import Size
from tests.export.test_read_boxes import annotation, data_set, write
from tests.importing.projects import PROJECT, labeling_config

Json = dict[str, Any]
LABELS = '<Label value="cat"/><Label value="dog"/>'
XML = f"""<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image">{LABELS}<Label value="bird"/></RectangleLabels>
<BrushLabels name="brush" toName="image">{LABELS}</BrushLabels>
<Choices name="side" toName="image" perRegion="true"><Choice value="left"/><Choice value="right"/></Choices></View>"""
CONFIG = parse_labeling_config(XML)
TWO_IMAGES = parse_labeling_config(
    f"""<View><Image name="a" value="$a"/><Image name="b" value="$b"/>
<BrushLabels name="first" toName="a">{LABELS}</BrushLabels><BrushLabels name="second" toName="b">{LABELS}</BrushLabels>
<RectangleLabels name="box" toName="b">{LABELS}</RectangleLabels></View>"""
)


def plan(found: BoxFile, uris: dict[int, str], config: LabelingConfig = CONFIG, **options: Any) -> BoxPlan:
    tasks = [{"id": number, "data": {"image": uri}} for number, uri in uris.items()]
    return plan_file_boxes(found, TaskIndex(tasks, config, PROJECT), config, options.pop("renamed", {}), **options)


def rectangle(
    number: str = "r1", x: float = 25, y: float = 50, width: float = 50, height: float = 25, **more: Any
) -> Json:
    """A rectangle on an image of 200 x 100 pixels."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": more.pop("rotation", 0)}
    labels = more.pop("labels", ["cat"])
    value |= {"rectanglelabels": labels} if labels else {}
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    return {
        "id": number,
        "type": "rectanglelabels",
        "from_name": "box",
        "to_name": "image",
        **size,
        "value": value,
        **more,
    }


def task(number: int, *annotations: Json, predictions: tuple[Json, ...] = (), data: Json | None = None) -> Json:
    return {
        "id": number,
        "data": data or {"image": f"{number}.jpg"},
        "annotations": list(annotations),
        "predictions": list(predictions),
    }


def annotated(*results: Json, number: int = 1, **more: Any) -> Json:
    return {"id": number, "result": list(results), "updated_at": f"2026-01-0{number}T00:00:00Z", **more}


def predicted(*results: Json, number: int = 1, version: str = "detector") -> Json:
    return {"id": number, "result": list(results), "model_version": version}


def boxes_of(plan: BoxPlan, number: int = 1) -> tuple[LabeledBox, ...]:
    return plan.tasks[number]["image"].boxes


def test_boxes_of_a_file_go_to_the_tasks_with_their_pictures_and_other_tasks_are_not_touched(tmp_path: Path) -> None:
    found = read_boxes(write(tmp_path / "a.json", data_set(annotation(1, score=0.5), annotation(2, 2, 7))))
    done = plan(found, {4: "/data/upload/1/0a1b2c3d-a.jpg", 12: "https://images.invalid/b.jpg", 13: "c.jpg"})
    assert done.tasks == {
        4: {"image": ImageBoxes((LabeledBox((10, 20, 40, 60), "cat", 0.5),), Size(640, 480))},
        12: {"image": ImageBoxes((LabeledBox((10, 20, 40, 60), "dog"),), Size(320, 240))},
    }
    assert (done.count, done.unmatched.failed) == (2, 0)
    assert pickle.loads(pickle.dumps(done.tasks)) == done.tasks


def test_a_file_of_another_project_says_which_images_have_no_task(tmp_path: Path) -> None:
    found = read_boxes(write(tmp_path / "a.json", data_set(annotation(1), annotation(2, 2))))
    done = plan(found, {5: "z.jpg"})
    assert (done.tasks, done.unmatched.failed) == ({}, 2)
    assert done.unmatched.reasons[0].startswith(
        'Image 1 ("a.jpg"): no task of project 3 shows a picture of the name a.jpg.'
    )
    assert "is of task 12, which project 3 does not have. The file is of another project" in done.unmatched.reasons[1]
    assert plan(found, {5: "b.jpg"}, by_name=True).tasks.keys() == {5}


def test_unknown_labels_are_refused_by_name_before_anything_is_done_and_can_be_renamed(tmp_path: Path) -> None:
    document = data_set(annotation(1), annotation(2, category=7), annotation(3, 2, 7))
    document["categories"] = [{"id": 3, "name": "Cat"}, {"id": 7, "name": "bird"}]
    found = read_boxes(write(tmp_path / "a.json", document))
    with pytest.raises(BadDataSet) as refused:
        plan(found, {1: "a.jpg"})
    assert refused.value.message == (
        "Labels of the boxes are in no control for masks: 'Cat' of 1 boxes (did you mean 'cat'?); 'bird' of 2 boxes."
    )
    assert refused.value.remedy.startswith("Rename them with --rename OLD=NEW") and "cat, dog" in refused.value.remedy
    done = plan(found, {1: "a.jpg"}, renamed={"Cat": "cat", "bird": "dog"})
    assert [box.label for box in boxes_of(done)] == ["cat", "dog"]


def test_a_project_without_a_control_for_masks_is_refused(tmp_path: Path) -> None:
    found = read_boxes(write(tmp_path / "a.json", data_set(annotation(1))))
    config = parse_labeling_config(labeling_config("Rectangle", "Ellipse"))
    with pytest.raises(BadDataSet, match="no control that could hold the masks") as refused:
        plan(found, {1: "a.jpg"}, config)
    assert "BrushLabels" in refused.value.remedy


def test_a_mask_without_a_label_takes_boxes_of_any_label() -> None:
    xml = '<View><Image name="image" value="$image"/><Brush name="b" toName="image"/></View>'
    image = FoundImage("image 1", "a.jpg", lambda *_: FoundRegions(), boxes=(FoundBox((1, 2, 3, 4), "x"),))
    done = plan(BoxFile(FoundDataSet([image], {"x": 1})), {1: "a.jpg"}, parse_labeling_config(xml))
    assert [box.label for box in boxes_of(done)] == ["x"]


def test_rectangles_of_people_become_boxes_in_pixels_in_their_order_with_id_and_choices() -> None:
    side = {"id": "r2", "type": "choices", "from_name": "side", "to_name": "image", "value": {"choices": ["left"]}}
    second = rectangle("r2", 0, 0, 10, 10, labels=["dog"], score=0.5, rotation=0)
    drawn = DrawnBoxes(CONFIG)
    assert drawn.add_annotations([task(1, annotated(rectangle(), second, side)), task(2)]) == [2]
    assert drawn.finish().tasks == {
        1: {
            "image": ImageBoxes(
                (
                    LabeledBox((50, 50, 150, 75), "cat", None, {}, "r1"),
                    LabeledBox((0, 0, 20, 10), "dog", None, {"side": ("left",)}, "r2"),
                ),
                Size(200, 100),
            )
        }
    }


def test_a_rotated_rectangle_becomes_the_box_around_it() -> None:
    drawn = DrawnBoxes(CONFIG)
    drawn.add_annotations([task(1, annotated(rectangle(x=50, y=50, width=20, height=10, rotation=90)))])
    # 40 x 10 pixels, turned clockwise about its top left corner at (100, 50): it reaches 10 to the left and 40 down
    assert boxes_of(drawn.finish())[0].box_xyxy == pytest.approx((90, 50, 100, 90))


def test_the_annotation_counts_that_an_export_would_choose_and_skipped_ones_do_not() -> None:
    drawn = DrawnBoxes(CONFIG)
    older, newer = annotated(rectangle("old")), annotated(rectangle("new"), number=2)
    skipped = annotated(rectangle("skipped"), number=3, was_cancelled=True)
    left = drawn.add_annotations(
        [task(1, older, newer, skipped), task(2, skipped), task(3, older | {"ground_truth": True}, newer)]
    )
    done = drawn.finish()
    assert left == [2]
    assert {number: boxes_of(done, number)[0].region_id for number in done.tasks} == {1: "new", 3: "old"}


def test_of_predictions_the_newest_one_with_rectangles_counts_or_that_of_a_version() -> None:
    brush = {"id": "m", "type": "brushlabels", "from_name": "brush", "to_name": "image", "value": {"rle": [0]}}
    predictions = (
        predicted(rectangle("old", score=0.9), number=1),
        predicted(rectangle("new", score=0.25), number=2, version="other"),
        predicted(brush, number=3, version="masks"),
    )
    newest, detector = DrawnBoxes(CONFIG), DrawnBoxes(CONFIG)
    newest.add_predictions([task(1, predictions=predictions)])
    detector.add_predictions([task(1, predictions=predictions)], "detector")
    assert [(box.region_id, box.score) for box in boxes_of(newest.finish())] == [("new", 0.25)]
    assert [(box.region_id, box.score) for box in boxes_of(detector.finish())] == [("old", 0.9)]
    picky = DrawnBoxes(CONFIG, min_score=0.3)
    picky.add_predictions([task(1, predictions=predictions)])
    assert (picky.finish().tasks, picky.plan.low) == ({}, 1)


def test_rectangles_that_cannot_be_prompts_are_named_and_the_others_are_used() -> None:
    damaged = rectangle("damaged")
    damaged["value"]["width"] = "wide"
    results = [
        rectangle("flat", width=0),
        rectangle("outside", x=100, width=10),
        rectangle("nameless", labels=[]),
        damaged,
        rectangle("other", original_width=100),
        rectangle("fine"),
    ]
    drawn = DrawnBoxes(CONFIG)
    drawn.add_annotations([task(7, annotated(rectangle("first"), *results))])
    done = drawn.finish()
    assert [box.region_id for box in boxes_of(done, 7)] == ["first", "fine"]
    assert [reason.split('"')[1] for reason in done.bad] == ["flat", "outside", "nameless", "damaged", "other"]
    assert all(reason.startswith('Task 7: Region "') for reason in done.bad)
    assert "has no label. Give it one in Label Studio." in done.bad[2]
    assert "was drawn on an image of 100x100, but others of the task on 200x100." in done.bad[4]


def test_labels_of_rectangles_that_masks_cannot_have_are_refused_by_name() -> None:
    for renamed, ok in [({}, False), ({"bird": "dog"}, True)]:
        drawn = DrawnBoxes(CONFIG, renamed)
        drawn.add_annotations([task(1, annotated(rectangle(labels=["bird"])))])
        if ok:
            assert boxes_of(drawn.finish())[0].label == "dog"
            continue
        with pytest.raises(BadDataSet, match="'bird' of 1 boxes"):
            drawn.finish()


def test_boxes_of_a_page_with_two_images_stay_on_their_image() -> None:
    drawn = DrawnBoxes(TWO_IMAGES)
    drawn.add_annotations([task(1, annotated(rectangle(to_name="b")), data={"a": "1.jpg", "b": "2.jpg"})])
    assert drawn.finish().tasks[1].keys() == {"b"}
