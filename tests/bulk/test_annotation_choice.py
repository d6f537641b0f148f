"""Which of a task's annotations are exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backend.bulk import AnnotationChoice, parse_choice, parse_time
from backend.bulk.annotation_choice import read_annotator
from backend.errors import BadSettings
from backend.export import LabeledImage
from tests.bulk.annotated import Json, annotation, block, brush, read, task

ANNA = {"completed_by": 7, "created_username": "Anna Maria Li anna@example.com, 7"}
BEN = {"completed_by": {"id": 8, "email": "ben@example.com", "first_name": "Ben"}}
MASK = brush(block(2, 2, 6, 6))
FIRST = annotation(MASK, number=1, created_at="2026-01-01T00:00:00Z", updated_at="2026-03-01T00:00:00Z", **ANNA)
SECOND = annotation(
    MASK, number=2, created_at="2026-01-02T00:00:00Z", updated_at="2026-02-01T00:00:00Z", ground_truth=True, **BEN
)
THIRD = annotation(MASK, number=3, created_at="2026-01-03T00:00:00Z", updated_at="2026-04-01T00:00:00Z", **ANNA)
SKIPPED = annotation(MASK, number=4, updated_at="2026-05-01T00:00:00Z", **BEN, was_cancelled=True)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("best", [2]),
        ("latest", [3]),
        ("first", [1]),
        ("user:7", [3]),
        ("user:Anna@Example.com", [3]),
        ("user:ben@example.com", [2]),
        ("user:8", [2]),
        ("user:9", []),
        ("ground-truth", [2]),
        ("all", [3, 2]),
    ],
)
def test_each_rule_picks_its_annotations_and_never_a_skipped_one(text: str, numbers: list[int]) -> None:
    found = read(task(5, FIRST, SECOND, THIRD, SKIPPED), choice=parse_choice(text))
    assert [image.annotation_id for image in found.images] == numbers
    assert found.not_chosen == (not numbers)
    assert found.failures == []


def test_all_gives_one_image_of_each_annotator_with_their_name() -> None:
    found = read(task(5, FIRST, SECOND, THIRD), choice=parse_choice("all"))
    assert [(image.annotator, image.image_id) for image in found.images] == [
        ("anna@example.com", 5),
        ("ben@example.com", 5),
    ]
    assert [region.annotation_id for image in found.images for region in image.regions] == [3, 2]


@pytest.mark.parametrize("text", ["newest", "user", "user:", "latest:7", ""])
def test_an_unknown_rule_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(BadSettings) as caught:
        parse_choice(text)
    assert caught.value.message == f"There is no choice of annotations '{text}'."
    rules = "best, latest, first, user:ID_OR_EMAIL, ground-truth, all, consensus"
    assert caught.value.remedy == f"Choose one of: {rules}."


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (ANNA, "anna@example.com"),
        (BEN, "ben@example.com"),
        ({"completed_by": 7}, "7"),
        ({"completed_by": 7, "created_username": " , 7"}, "7"),
        ({"completed_by": {"id": 8}}, "8"),
        ({"completed_by": None}, ""),
        ({}, ""),
    ],
)
def test_an_annotator_is_named_by_the_address_else_the_id(fields: Json, name: str) -> None:
    assert read_annotator(fields) == name


def copied(**more: Any) -> Json:
    """An annotation of the Data Manager's "Create Annotations From Predictions"."""
    untouched = {key: value for key, value in MASK.items() if key != "origin"}
    return annotation(untouched, **{"parent_prediction": 11, "lead_time": None, **more})


@pytest.mark.parametrize(
    ("document", "count"),
    [
        (copied(), 0),
        (copied(lead_time=3.5), 1),  # submitted as it was: somebody looked
        (copied(parent_prediction=None), 1),
        (annotation({**MASK, "origin": "prediction"}, parent_prediction=11), 0),
        (annotation({**MASK, "origin": "prediction-changed"}, parent_prediction=11), 1),
        (annotation({**MASK, "origin": "manual"}, parent_prediction=11), 1),
    ],
)
def test_only_untouched_copies_of_predictions_are_not_reviewed(document: Json, count: int) -> None:
    assert len(read(task(5, document)).images) == 1
    found = read(task(5, document), reviewed_only=True)
    assert len(found.images) == count
    assert found.not_chosen == 1 - count


def test_a_task_whose_annotation_is_left_out_does_not_become_a_negative() -> None:
    found = read(task(5, copied()), reviewed_only=True, include_unannotated=True)
    assert found.images == []


@pytest.mark.parametrize(
    ("since", "rule", "numbers"),
    [
        ("2026-03-31", "latest", [3]),
        ("2026-04-01T00:00:00Z", "latest", [3]),
        ("2026-04-01T02:00:01+02:00", "latest", []),
        ("2026-02-15", "best", []),  # the ground truth is older, and no other annotation takes its place
        ("2026-02-15", "all", [3, 2]),  # both, as one of them was changed
    ],
)
def test_tasks_whose_exported_annotation_is_older_are_left_out(since: str, rule: str, numbers: list[int]) -> None:
    options: Json = {"choice": AnnotationChoice(rule), "updated_since": parse_time(since)}
    found = read(task(5, FIRST, SECOND, THIRD), **options)
    assert [image.annotation_id for image in found.images] == numbers


def test_an_annotation_without_a_time_fails_its_task_if_the_time_counts() -> None:
    found = read(task(5, annotation(MASK)), updated_since=parse_time("2026-01-01"))
    assert found.failures == [
        'task 5: An annotation has "updated_at": None, which is not a time. Leave out --updated-since to export it.'
    ]


def test_three_annotators_with_three_opinions_are_merged_into_one_image_by_whoever_can() -> None:
    given: list[Sequence[LabeledImage]] = []

    def merge(images: Sequence[LabeledImage]) -> tuple[LabeledImage, Sequence[str]]:
        given.append(images)
        return replace(images[0], annotator="", annotation_id=None, regions=()), ["nobody agrees on 3 regions"]

    third = annotation(MASK, number=9, completed_by=9)
    found = read(task(5, FIRST, SECOND, third), choice=AnnotationChoice("consensus"), merge=merge)
    assert [[image.annotator for image in images] for images in given] == [["9", "anna@example.com", "ben@example.com"]]
    assert [image.annotator for image in found.images] == [""]
    assert found.disagreements == ["task 5: nobody agrees on 3 regions"]


def test_of_annotators_who_should_agree_none_is_left_out_because_a_region_is_damaged() -> None:
    damaged = annotation(brush(block(1, 1, 2, 2), "mauve"), number=9, completed_by=9)
    found = read(task(5, FIRST, damaged), choice=AnnotationChoice("consensus"), merge=lambda images: (images[0], []))
    assert found.images == []
    assert found.failures[0].startswith('task 5, annotation 9: Region "m1" (brush) has the label')


def test_a_damaged_annotation_fails_alone_where_each_annotator_has_a_data_set() -> None:
    damaged = annotation(brush(block(1, 1, 2, 2), "mauve"), number=9, completed_by=9)
    found = read(task(5, FIRST, damaged), choice=AnnotationChoice("all"))
    assert [image.annotator for image in found.images] == ["anna@example.com"]
    assert found.failures[0].startswith("task 5, annotation 9: Region")
