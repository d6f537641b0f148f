"""Images find their tasks by id, address or name; what is ambiguous, missing or of another project is named."""

from __future__ import annotations

from typing import Any

import pytest

from backend.bulk import Failures
from backend.errors import BadDataSet
from backend.export import FoundDataSet, FoundImage, FoundRegions, build_image_id
from backend.importing import TaskIndex, plan_import
from backend.label_studio.config import parse_labeling_config
from tests.importing.projects import labeling_config

URIS = {
    1: "https://a.example/one/photo.jpg",
    2: "https://a.example/two/photo.jpg",
    3: "/data/upload/3/0a1b2c3d-bird.png",
    4: "s3://bucket/cats/cat.png",
    5: "/data/local-files/?d=imgs/dog.tif",
}
PAGE = labeling_config("Brush").replace(
    "</View>",
    '<Image name="back" value="$back"/><BrushLabels name="b" toName="back"><Label value="red"/></BrushLabels></View>',
)


def index(xml: str = labeling_config("Brush"), **tasks: Any) -> TaskIndex:
    documents = tasks.get("tasks") or [{"id": number, "data": {"image": uri}} for number, uri in URIS.items()]
    return TaskIndex(documents, parse_labeling_config(xml), "3")


def found(file_name: str = "", **fields: Any) -> FoundImage:
    return FoundImage(f'image 9 ("{file_name}")', file_name, lambda size, on_bad_region: FoundRegions(), **fields)


@pytest.mark.parametrize(
    ("image", "task"),
    [
        (found("x.jpg", task_id=2), 2),
        (found("x.jpg", task_id=4, uri="s3://bucket/cats/cat.png"), 4),
        (found("x.jpg", uri="https://a.example/two/photo.jpg"), 2),
        (found("https://a.example/one/photo.jpg"), 1),
        (found("photo-task2.jpg"), 2),
        (found("photo-task2", has_ending=False), 2),
        (found("0a1b2c3d-bird.png"), 3),
        (found("bird.png"), 3),
        (found("4e5f6a7b-0a1b2c3d-bird.png"), 3),
        (found("4e5f6a7b-cat.png"), 4),
        (found("val/bird.png"), 3),
        (found("bird", has_ending=False), 3),
        (found("images\\cat.png"), 4),
        (found("dog.tif"), 5),
        (found("000000123.jpg", uri="http://elsewhere.example/cat.png"), 4),
    ],
)
def test_an_image_finds_its_task(image: FoundImage, task: int) -> None:
    assert index().match(image).task_id == task


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (found("photo.jpg"), 'Image 9 ("photo.jpg") may be of several tasks: 1 (https://a.example/one/photo.jpg), 2 ('),
        (found("bird.jpg"), "no task of project 3 shows a picture of the name bird.jpg"),
        (found("bird", has_ending=True), "no task of project 3 shows a picture of the name bird"),
        (found(""), "no task of project 3 shows a picture of the name none"),
        (found("cat.png", task_id=77), "is of task 77, which project 3 does not have"),
        (
            found("cat.png", task_id=1, uri="s3://bucket/cats/cat.png"),
            "is of task 1 and shows s3://bucket/cats/cat.png, but in project 3 that task shows https://a.example/one/",
        ),
    ],
)
def test_an_image_without_one_task_is_named(image: FoundImage, message: str) -> None:
    with pytest.raises(BadDataSet) as refused:
        index().match(image)
    assert message in refused.value.message


def test_by_name_goes_past_the_ids_of_another_project() -> None:
    image = found("cat-task77.png", task_id=77, uri="s3://bucket/cats/cat.png")
    assert index().match(image, by_name=True).task_id == 4


def test_an_address_that_only_moved_is_no_contradiction() -> None:
    assert index().match(found("x", task_id=4, uri="https://mirror.example/cat.png")).task_id == 4


def test_the_images_of_a_page_are_told_apart() -> None:
    both = index(PAGE, tasks=[{"id": 1, "data": {"image": "a.png", "back": "b.png"}}])
    assert both.match(found("b.png")).image.name == "back"
    assert both.match(found("x", task_id=1, image_id=build_image_id(1, "back"))).image.name == "back"
    assert both.match(found("x", task_id=1, uri="a.png")).image.name == "image"
    assert both.match(found("a-task1-image.png")).image.name == "image"
    with pytest.raises(BadDataSet, match="is of task 1, which shows several images"):
        both.match(found("x", task_id=1))


def test_a_plan_has_the_tasks_in_order_and_names_what_has_none() -> None:
    failures = Failures()
    images = [found("dog.tif"), found("photo.jpg"), found("cat.png"), found("train/bird.png"), found("val/bird.png")]
    plan = plan_import(FoundDataSet(images), index(), failures)
    assert [task.task_id for task in plan] == [4, 5]
    assert failures.failed == 3
    assert failures.reasons[1].startswith(
        '2 images of the data set are the one of task 3: image 9 ("train/bird.png"), image 9 ("val/bird.png").'
    )


def test_both_images_of_a_page_are_one_import() -> None:
    both = index(PAGE, tasks=[{"id": 1, "data": {"image": "a.png", "back": "b.png"}}])
    (task,) = plan_import(FoundDataSet([found("a.png"), found("b.png")]), both, Failures())
    assert [place.image.name for _, place in task.images] == ["image", "back"]
