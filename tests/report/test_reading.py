"""From task documents to outcomes: each kind of correction, and documents that cannot be compared."""

from __future__ import annotations

import pytest

from backend.errors import ExportError
from backend.label_studio.config import parse_labeling_config
from backend.report import ReviewReader, Reviews, compute_figures, write_sentences
from backend.report.outcomes import Link, Outcome
from tests.report.project import (
    CONFIG,
    CONFIG_XML,
    annotation,
    box,
    brush,
    choice,
    damaged,
    five_outcomes,
    prediction,
    read,
    task,
)

SQUARE = box(0, 0, 10, 10)


def outcomes(reviews: Reviews) -> dict[str, Outcome]:
    return {row.proposal_id or row.region_id: row.outcome for row in reviews.regions}


def test_each_proposal_has_the_outcome_of_what_a_person_did() -> None:
    reviews = read(five_outcomes())
    assert outcomes(reviews) == {
        "r1": Outcome.UNTOUCHED,
        "r2": Outcome.EDITED,
        "r3": Outcome.RECLASSIFIED,
        "r4": Outcome.DELETED,
        "n1": Outcome.ADDED,
    }
    rows = {row.proposal_id or row.region_id: row for row in reviews.regions}
    assert [rows[name].iou for name in ("r1", "r2", "r3", "r4", "n1")] == [1.0, 0.5, 1.0, None, None]
    assert (rows["r3"].proposed_class, rows["r3"].final_class) == ("cat", "dog")
    assert (rows["r2"].proposed_area, rows["r2"].final_area) == (100, 200)
    assert rows["r4"].score == 0.25
    assert rows["n1"].score is None
    (row,) = reviews.annotations
    assert (row.link, row.lead_seconds, row.proposals, row.regions) == (Link.PARENT, 12.5, 4, 4)
    assert reviews.problems == []


def test_a_mask_with_a_new_id_was_edited_if_it_lies_in_the_same_place() -> None:
    """A click on a predicted mask with the backend replaces the region: Label Studio gives it another id."""
    before, after = brush("p", box(0, 0, 10, 10)), brush("q", box(0, 0, 10, 9))
    (row,) = read(task(1, [prediction(1, before)], [annotation(1, after)])).regions
    assert (row.outcome, row.matched_by, row.iou) == (Outcome.EDITED, "overlap", pytest.approx(0.9))


def test_a_changed_choice_is_another_class_and_an_added_one_is_not() -> None:
    with_choice = prediction(1, brush("a", SQUARE), choice("a", "tabby"), brush("b", box(20, 0, 30, 10)))
    final = annotation(1, brush("a", SQUARE), choice("a", "tom"), brush("b", box(20, 0, 30, 10)), choice("b", "tom"))
    reviews = read(task(1, [with_choice], [final]))
    assert outcomes(reviews) == {"a": Outcome.RECLASSIFIED, "b": Outcome.UNTOUCHED}
    assert reviews.regions[0].changed_choices == ("kind",)
    assert reviews.regions[0].is_found  # its label is right


def test_the_class_can_come_from_a_choice() -> None:
    proposed = prediction(1, brush("a", SQUARE), choice("a", "tabby"))
    final = annotation(1, brush("a", SQUARE), choice("a", "tom"))
    (row,) = read(task(1, [proposed], [final]), class_from="kind").regions
    assert (row.proposed_class, row.final_class, row.is_found) == ("tabby", "tom", False)


def test_choices_that_the_config_does_not_have_are_refused_by_name() -> None:
    with pytest.raises(ExportError) as raised:
        ReviewReader(CONFIG, "colour")
    assert str(raised.value) == (
        "The labeling config has no per-region choices named 'colour'. --class-from takes one of these: kind."
    )


def test_of_several_predictions_the_one_counts_that_the_annotation_was_made_from() -> None:
    old = prediction(1, brush("a", SQUARE), version="old")
    new = prediction(2, brush("b", SQUARE), version="new", created="2026-01-01T08:30:00Z")
    late = prediction(3, brush("c", SQUARE), version="late", created="2026-01-01T10:00:00Z")
    listed = [late, new, old]
    made_from_old = read(task(1, listed, [annotation(1, brush("a", SQUARE))]))
    lost_parent = read(task(1, listed, [annotation(99, brush("b", SQUARE))]))
    no_parent = read(task(1, listed, [annotation(None, brush("x", SQUARE))]))
    found = [
        (one.annotations[0].model_version, one.annotations[0].link) for one in (made_from_old, lost_parent, no_parent)
    ]
    assert found == [("old", Link.PARENT), ("new", Link.REGION_IDS), ("new", Link.EARLIER)]


def test_an_annotation_from_before_the_prediction_is_not_a_review_of_it() -> None:
    late = prediction(1, brush("c", SQUARE), created="2026-01-01T10:00:00Z")
    reviews = read(task(1, [late], [annotation(None, brush("x", SQUARE))]))
    assert reviews.annotations[0].link is Link.NONE
    assert reviews.regions == []


def test_a_later_prediction_with_the_regions_of_an_annotation_was_not_reviewed_by_it() -> None:
    """As an import of what people drew makes it."""
    late = prediction(1, brush("a", SQUARE), created="2026-01-01T10:00:00Z")
    reviews = read(task(1, [late], [annotation(None, brush("a", SQUARE))]))
    assert reviews.annotations[0].link is Link.NONE
    assert reviews.regions == []


def drawn_box(region_id: str) -> dict[str, object]:
    value = {"x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}
    named = {"id": region_id, "type": "rectanglelabels", "from_name": "box", "to_name": "image", "value": value}
    return {**named, "original_width": 40, "original_height": 20}


def test_drawn_boxes_that_may_be_prompts_are_counted_and_can_be_kept() -> None:
    box_control = '<RectangleLabels name="box" toName="image"><Label value="cat"/></RectangleLabels></View>'
    config = parse_labeling_config(CONFIG_XML.replace("</View>", box_control))
    document = task(1, [prediction(1)], [annotation(1, drawn_box("x"), drawn_box("y"))])
    left_out, kept = (ReviewReader(config, keep=keep).read([document]) for keep in ([], ["box"]))
    assert (dict(left_out.undecided), left_out.regions) == ({"box": 2}, [])
    (sentence,) = (one.text for one in write_sentences(compute_figures(left_out), left_out) if "--keep" in one.text)
    assert sentence.startswith("2 drawn boxes and points of box may be prompts and are not counted.")
    assert not kept.undecided
    assert [(row.outcome, row.final_area) for row in kept.regions] == [(Outcome.ADDED, 200)] * 2


def test_skipped_annotations_and_drafts_are_not_reviews() -> None:
    document = five_outcomes()
    document["annotations"][0]["was_cancelled"] = True
    document["drafts"] = [{"id": 1, "result": [brush("r1", SQUARE)]}]
    reviews = read(document)
    assert (reviews.skipped, reviews.annotations) == (1, [])


def test_messages_prompts_and_classes_of_the_image_are_no_regions() -> None:
    size = {"original_width": 40, "original_height": 20}
    point = {"x": 5, "y": 5, "width": 0.3, "keypointlabels": ["cat"]}
    extra = [
        {**size, "id": "k", "type": "keypointlabels", "from_name": "k", "to_name": "image", "value": point},
        {"id": "m", "type": "textarea", "from_name": "message", "to_name": "image", "value": {"text": ["Hello"]}},
    ]
    reviews = read(task(1, [prediction(1)], [annotation(1, *extra)]))
    assert (reviews.regions, reviews.problems) == ([], [])


def test_a_damaged_mask_is_listed_and_its_counterpart_is_neither_deleted_nor_added() -> None:
    proposed = prediction(1, brush("a", SQUARE), damaged("b"), brush("c", box(20, 0, 30, 10)))
    final = annotation(1, damaged("a"), brush("b", SQUARE), brush("c", box(20, 0, 30, 10)))
    reviews = read(task(7, [proposed], [final]))
    assert outcomes(reviews) == {"c": Outcome.UNTOUCHED}
    first, second = reviews.problems
    assert first.startswith('task 7, prediction: Region "b" (brush): ')
    assert second.startswith(f'task 7, annotation {final["id"]}: Region "a" (brush): ')


def test_a_task_that_cannot_be_read_is_listed_and_the_others_are_read() -> None:
    broken, wrong = five_outcomes(3), five_outcomes(4)
    broken["annotations"] = "none"
    wrong["annotations"][0]["result"] = {"a": 1}
    reviews = read(broken, wrong, five_outcomes(5))
    assert len(reviews.regions) == 5
    assert reviews.problems[0].startswith('task 3: "annotations" of a task must be a list, but is none.')
    assert reviews.problems[1].startswith('task 4: "result" of an annotation must be a list, but is an object.')


def test_masks_of_another_image_size_are_listed_and_not_compared() -> None:
    proposed = prediction(1, brush("a", box(0, 0, 10, 10)[:, :30]))
    reviews = read(task(2, [proposed], [annotation(1, brush("a", SQUARE))]))
    assert reviews.regions == []
    (problem,) = reviews.problems
    assert "The masks have 30x20 pixels, those of the annotation 40x20." in problem


def test_a_label_that_the_config_lost_is_counted_by_its_name() -> None:
    proposed = prediction(1, brush("a", SQUARE, "fox"))
    reviews = read(task(1, [proposed], [annotation(1, brush("a", SQUARE, "fox"))]))
    assert reviews.unknown_labels == {"fox": 1}
    assert outcomes(reviews) == {"a": Outcome.UNTOUCHED}


def test_predictions_that_an_export_lists_by_number_are_refused_by_name() -> None:
    document = five_outcomes()
    document["predictions"] = [1]
    reviews = read(document)
    assert reviews.problems[0].startswith('task 1: "predictions" of the task are numbers, not predictions.')


def test_without_annotations_the_report_says_what_to_do() -> None:
    with pytest.raises(ExportError, match=r"No task has a submitted annotation.*Review some tasks"):
        compute_figures(read(task(1, [prediction(1, brush("a", SQUARE))])))


def test_without_predictions_the_report_says_what_to_do() -> None:
    with pytest.raises(ExportError) as raised:
        compute_figures(read(task(1, [], [annotation(None, brush("a", SQUARE))])))
    assert str(raised.value) == (
        "None of the 1 annotations can be compared, because their tasks have no earlier prediction. "
        "Predict tasks with `python -m scripts.preannotate` before they are reviewed."
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"completed_by": {"id": 3, "email": "bo@example.com"}}, "bo@example.com"),
        ({"completed_by": {"id": 3}}, "user 3"),
        ({"completed_by": 3, "created_username": " bo@example.com, 3"}, "bo@example.com"),
        ({"completed_by": 3, "created_username": "Bo Berg bo@example.com, 3"}, "bo@example.com"),
        ({"completed_by": 3}, "user 3"),
        ({"completed_by": None}, "unknown"),
    ],
)
def test_people_are_named_by_their_address_if_it_is_known(fields: dict[str, object], name: str) -> None:
    document = task(1, [prediction(1)], [annotation(1, **fields)])  # type: ignore[arg-type]
    assert read(document).annotations[0].annotator == name
