"""Work of people and prompts that were left behind, in a project with boxes, masks and key points."""

from __future__ import annotations

import numpy as np
import pytest

from backend.bulk import category_names, collect, key_point_names
from backend.label_studio.config import parse_labeling_config
from tests.bulk.annotated import MIXED, OWN_ID, Json, annotation, block, box, brush, no_size, point, read, result, task

CONFIG = parse_labeling_config(MIXED)
PAINTED = brush(block(2, 2, 6, 6))


def test_a_box_beside_masks_is_never_lost_silently() -> None:
    """A box of a control that is smart by default may be a prompt or somebody's work: the task fails by name."""
    found = read(
        task(5, annotation(PAINTED, box(20, 4, 10, 10, region_id="b1"), number=9)), task(6, annotation(PAINTED))
    )
    assert [image.task_id for image in found.images] == [6]
    assert found.failures == [
        "task 5, annotation 9: Region \"b1\" (rectanglelabels) of the control 'box' may be a prompt that was left "
        "behind, or somebody's work. Export the regions of this control with --keep box, or leave them out with "
        "--drop box."
    ]


def test_undecided_regions_are_counted_by_control_with_an_example_and_both_options() -> None:
    boxes = [box(20, 4, 10, 10, region_id=f"b{number}") for number in range(3)]
    found = read(task(5, annotation(*boxes[:2], point(3, 3, region_id="k"), number=9)), task(6, annotation(boxes[2])))
    assert {control: one.count for control, one in found.undecided.items()} == {"box": 3, "point": 1}
    assert str(found.undecided["box"]) == (
        "control 'box': 3 regions that may be prompts left behind or somebody's work; export them with --keep box, or "
        'leave them out with --drop box (for example task 5, annotation 9, region "b0")'
    )
    assert "(and 2 more regions of this task)" in found.failures[0]


def test_kept_boxes_are_exported_with_their_labels_as_categories() -> None:
    found = read(task(5, annotation(PAINTED, box(20, 4, 10, 10, region_id="b1", label="sign"))), keep="box")
    (image,) = found.images
    assert [(region.region_id, region.label, region.bbox) for region in image.regions] == [
        ("m1", "cat", (2, 2, 6, 6)),
        ("b1", "sign", (20, 4, 10, 10)),
    ]
    np.testing.assert_allclose(image.regions[1].outline, [(20, 4), (30, 4), (30, 14), (20, 14)])
    assert category_names(CONFIG) == ("cat", "dog")
    assert category_names(CONFIG, {"box"}) == ("cat", "dog", "sign")
    assert (found.failures, found.undecided) == ([], {})


def test_dropped_boxes_are_left_out_and_counted() -> None:
    found = read(task(5, annotation(PAINTED, box(20, 4, 10, 10, region_id="b1"))), drop="box")
    assert [region.region_id for region in found.images[0].regions] == ["m1"]
    assert found.left_out == {"rectanglelabels": 1}
    assert found.failures == []


CLICK = point(3, 3, control="click", region_id="k1")  # of a control of prompts only


@pytest.mark.parametrize(
    ("results", "is_named"),
    [
        ([CLICK], True),
        ([CLICK, brush(block(0, 0, 0, 0))], True),  # everything was erased again
        ([box(20, 4, 10, 10)], True),  # dropped by name
        ([CLICK, PAINTED], False),
        ([CLICK, point(13, 7, control="pose", label="nose")], False),
        ([PAINTED], False),
    ],
)
def test_an_annotation_with_nothing_but_prompts_is_named(results: list[Json], is_named: bool) -> None:
    found = read(task(4, annotation(PAINTED)), task(5, annotation(*results, number=9)), drop="box")
    assert [image.task_id for image in found.images] == [4, 5]
    assert found.only_left_out == (["task 5, annotation 9"] if is_named else [])


def test_of_a_page_of_two_images_each_is_looked_at_alone() -> None:
    pair = MIXED.replace("</View>", '<Image name="other" value="$other"/>{}</View>').format(
        '<BrushLabels name="paint" toName="other"><Label value="cat"/></BrushLabels>'
    )
    document = task(5, annotation(CLICK, PAINTED | {"from_name": "paint", "to_name": "other"}, number=9))
    document["data"]["other"] = "/data/other.png"
    found = collect([document], parse_labeling_config(pair), no_size)
    assert [len(image.regions) for image in found.images] == [0, 1]
    assert found.only_left_out == ["task 5, annotation 9"]


def test_a_task_that_fails_is_not_named_for_its_prompts_too() -> None:
    found = read(task(5, annotation(CLICK, box(20, 4, 10, 10), number=9)))
    assert (len(found.failures), found.only_left_out) == (1, [])


def test_any_control_can_be_dropped() -> None:
    outline = result("polygon", "outline", {"points": [[0, 0], [50, 0], [50, 50]]}, region_id="p1")
    found = read(task(5, annotation(PAINTED, outline)), drop="outline")
    assert [region.region_id for region in found.images[0].regions] == ["m1"]
    assert found.left_out == {"polygonlabels": 1}


@pytest.mark.parametrize(
    "evidence",
    [{"region_id": OWN_ID}, {"origin": "prediction"}, {"origin": "prediction-changed"}],
)
def test_a_box_that_a_model_made_is_work(evidence: Json) -> None:
    found = read(task(5, annotation(box(20, 4, 10, 10, **evidence))))
    assert [region.bbox for region in found.images[0].regions] == [(20, 4, 10, 10)]


def test_a_models_box_with_a_label_that_no_exported_control_has_is_undecided_and_not_mislabeled() -> None:
    found = read(task(5, annotation(box(20, 4, 10, 10, label="sign", origin="prediction"))))
    assert list(found.undecided) == ["box"]


def test_a_box_or_point_of_a_control_without_an_ordinary_tool_is_a_prompt() -> None:
    prompts = [box(20, 4, 10, 10, control="drag", region_id="b1"), point(3, 3, control="click", region_id="k1")]
    found = read(task(5, annotation(PAINTED, *prompts)))
    assert [region.region_id for region in found.images[0].regions] == ["m1"]
    assert found.left_out == {"rectanglelabels": 1, "keypointlabels": 1}
    assert found.failures == []


def test_a_prompt_whose_answer_was_accepted_beside_it_is_left_out() -> None:
    """Its answer has an id of this backend, the same label, and its box is 9 of the prompt's 10 columns wide."""
    answer = brush(block(21, 4, 9, 10), region_id=OWN_ID)
    prompts = [box(20, 4, 10, 10, region_id="b1"), point(25, 8, region_id="k1")]
    found = read(task(5, annotation(*prompts, answer)))
    assert [region.region_id for region in found.images[0].regions] == [OWN_ID]
    assert found.images[0].key_points == ()
    assert found.left_out == {"rectanglelabels": 1, "keypointlabels": 1}


@pytest.mark.parametrize(
    "answer",
    [
        brush(block(21, 4, 9, 10), region_id="painted"),  # by hand
        brush(block(21, 4, 9, 10), "dog", region_id=OWN_ID),  # something else
        brush(block(21, 4, 5, 10), region_id=OWN_ID),  # half of it
    ],
)
def test_a_mask_that_is_no_answer_to_it_makes_a_box_no_prompt(answer: Json) -> None:
    assert list(read(task(5, annotation(answer, box(20, 4, 10, 10)))).undecided) == ["box"]


def test_a_point_beside_an_accepted_mask_is_no_prompt_of_it() -> None:
    ring = block(20, 4, 10, 10) & ~block(24, 8, 2, 2)
    found = read(task(5, annotation(brush(ring, region_id=OWN_ID), point(25, 9, region_id="k1"))))
    assert list(found.undecided) == ["point"]


def test_smart_clicks_are_prompts_even_of_a_kept_control() -> None:
    clicks = [point(3, 3, region_id="k1", is_positive=True), point(4, 4, region_id="k2", is_positive=False)]
    found = read(task(5, annotation(*clicks, point(7, 8, region_id="k3"))), keep="point")
    assert [one.region_id for one in found.images[0].key_points] == ["k3"]
    assert found.left_out == {"keypointlabels": 2}


def test_key_points_of_a_control_without_a_smart_tool_are_exported_in_pixels_with_their_parent_and_place() -> None:
    nose = point(13, 7, control="pose", label="nose", region_id="k1", parentID="b1")
    choice = {"id": "k1", "type": "choices", "from_name": "seen", "to_name": "image", "value": {"choices": ["yes"]}}
    found = read(task(5, annotation(nose, choice, point(1, 2, control="pose", label="tail", region_id="k2"), number=9)))
    first, second = found.images[0].key_points
    assert (first.x, first.y) == pytest.approx((13, 7))
    assert (first.region_id, first.label, first.parent_id, first.index) == ("k1", "nose", "b1", 1)
    assert (first.annotation_id, dict(first.choices)) == (9, {"seen": ("yes",)})
    assert (second.label, second.parent_id, second.index) == ("tail", "", 0)
    assert key_point_names(CONFIG) == ("nose", "tail")
    assert key_point_names(CONFIG, {"point"}) == ("cat", "nose", "tail")
