"""Categories from choices, and regions that stand for groups."""

from __future__ import annotations

import numpy as np
import pytest

from backend.export import ChoiceClasses, CrowdMarks, EncodedRegion
from tests.export.sets import image, region, ring

CLASSES = ChoiceClasses("species", ("robin", "wren"))


def labels_of(marks: CrowdMarks, one: EncodedRegion) -> tuple[str, tuple[str, ...], bool]:
    ((marked,),) = (found.regions for found in marks.apply([image(one)]))
    return marked.label, marked.other_labels, marked.is_crowd


def test_a_choice_takes_the_place_of_the_label() -> None:
    chosen = region(ring(), "red", other_labels=("blue",), choices={"species": ("wren", "robin"), "age": ("old",)})
    (found,) = CLASSES.apply([image(chosen)], pytest.fail)
    assert (found.regions[0].label, found.regions[0].other_labels) == ("wren", ("robin",))


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        (
            {"age": ("old",)},
            'Region "r2" (brush) has no choice of "species". Choose one in Label Studio, or leave such regions out '
            "with --skip-bad-regions.",
        ),
        (
            {"species": ("owl",)},
            'Region "r2" (brush) has the choice \'owl\' of "species", which is not in the labeling config: robin, '
            "wren. Choose one of these in Label Studio, or restore the choice in the labeling config.",
        ),
    ],
)
def test_a_region_without_a_known_choice_fails_its_image_or_is_skipped_alone(
    choices: dict[str, tuple[str, ...]], reason: str
) -> None:
    good = region(ring(), region_id="r1", choices={"species": ("wren",)})
    bad = region(ring(), region_id="r2", choices=choices, kind="brush")
    images = [image(good, bad), image(good, task_id=8)]
    failures: list[str] = []
    assert [found.task_id for found in CLASSES.apply(images, failures.append)] == [8]
    assert failures == [f"task 7, annotation 77: {reason}"]
    skipped: list[str] = []
    found = list(CLASSES.apply(images, pytest.fail, skipped.append))
    assert [[one.region_id for one in labeled.regions] for labeled in found] == [["r1"], ["r1"]]
    assert skipped == failures


def test_all_images_of_a_task_fail_together() -> None:
    good, bad = region(ring(), choices={"species": ("wren",)}), region(ring())
    images = [image(good, image_id=1), image(bad, image_id=2), image(good, task_id=8)]
    failures: list[str] = []
    assert [found.task_id for found in CLASSES.apply(images, failures.append)] == [8]
    assert len(failures) == 1


def test_a_region_that_was_erased_needs_no_choice() -> None:
    erased = region(np.zeros_like(ring()))
    assert list(CLASSES.apply([image(erased)], pytest.fail)) == [image(erased)]


def test_a_label_marks_a_group_and_another_label_becomes_its_category() -> None:
    marks = CrowdMarks(labels=frozenset({"crowd"}))
    assert labels_of(marks, region(ring(), "crowd", other_labels=("red", "blue"))) == ("red", ("blue",), True)
    assert labels_of(marks, region(ring(), "red", other_labels=("crowd",))) == ("red", (), True)
    assert labels_of(marks, region(ring(), "crowd")) == ("crowd", (), True)
    assert labels_of(marks, region(ring(), "red")) == ("red", (), False)


def test_a_choice_marks_a_group() -> None:
    marks = CrowdMarks(choices=frozenset({("count", "many")}))
    assert labels_of(marks, region(ring(), choices={"count": ("many",)}))[2]
    assert not labels_of(marks, region(ring(), choices={"count": ("one",), "other": ("many",)}))[2]
