"""Figures by class, version and annotator, from hand arithmetic; calibration judged by hotcoco."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import hotcoco
import numpy as np
import pytest

from backend.export import encode_region, write_json
from backend.report import Reviews, compute_figures
from backend.report.agreement import count_pairs
from backend.report.groups import NOTHING, Group, count_classes
from backend.report.outcomes import AnnotationRow, Link, Outcome
from backend.report.scores import build_curve, calibrate
from backend.report.times import measure_saving
from tests.report.project import annotation, box, brush, five_outcomes, prediction, read, task

Json = dict[str, object]


def shares(group: Group) -> tuple[float | None, ...]:
    return group.acceptance, group.mean_iou, group.precision, group.recall


def test_the_total_of_five_outcomes_is_that_of_hand_arithmetic() -> None:
    total = compute_figures(read(five_outcomes())).total
    assert total.outcomes == dict.fromkeys(Outcome, 1)
    assert (total.proposals, total.finals, total.found, total.work) == (4, 4, 2, 4)
    # kept: IoU 1, 0.5 and 1; found: r1 and r2, whose IoU is 0.5
    assert shares(total) == (0.25, pytest.approx(2.5 / 3), 0.5, 0.5)


def test_a_wrong_class_counts_against_the_precision_of_one_and_the_recall_of_the_other() -> None:
    classes = {group.name: group for group in count_classes(read(five_outcomes()).regions)}
    assert {name: (group.proposals, group.finals, group.found) for name, group in classes.items()} == {
        "cat": (3, 2, 2),  # three proposed, one of which was a dog
        "dog": (1, 1, 0),  # one proposed where there was nothing, one that was called a cat
        "hen": (0, 1, 0),
    }
    assert shares(classes["hen"]) == (None, None, None, 0.0)
    assert shares(classes["cat"]) == (pytest.approx(1 / 3), pytest.approx(2.5 / 3), pytest.approx(2 / 3), 1.0)


def test_the_confusion_matrix_has_missed_and_deleted_objects() -> None:
    confusion = compute_figures(read(five_outcomes())).confusion
    assert confusion.counts == {
        ("cat", "cat"): 2,
        ("cat", "dog"): 1,
        ("dog", NOTHING): 1,
        (NOTHING, "hen"): 1,
    }
    assert confusion.classes == ["dog", "cat", "hen"]


def test_versions_and_annotators_are_counted_apart() -> None:
    square, other = brush("a", box(0, 0, 10, 10)), brush("b", box(20, 0, 30, 10))
    reviews = read(
        task(1, [prediction(1, square, version="v1")], [annotation(1, square)]),
        task(2, [prediction(2, square, other, version="v2")], [annotation(2, square, by="bo@example.com")]),
    )
    figures = compute_figures(reviews)
    assert [(group.name, group.proposals, group.acceptance) for group in figures.versions] == [
        ("v2", 2, 0.5),
        ("v1", 1, 1.0),
    ]
    assert [group.name for group in figures.annotators] == ["bo@example.com", "ann@example.com"]


def test_the_calibration_error_is_that_of_hand_arithmetic() -> None:
    calibration = calibrate([0.95, 0.95, 0.55, 0.55], [True, True, True, False])
    assert calibration is not None
    assert [(one.lower, one.count, one.right) for one in calibration.bins] == [(0.5, 2, 0.5), (0.9, 2, 1.0)]
    assert calibration.error == pytest.approx((2 * 0.05 + 2 * 0.05) / 4)
    assert calibration.bias == pytest.approx(0.75 - 0.75)


def test_a_score_of_one_and_scores_outside_belong_to_the_outer_bins() -> None:
    calibration = calibrate([1.0, 1.7, -0.2, 0.0], [True] * 4)
    assert calibration is not None
    assert [(one.lower, one.count) for one in calibration.bins] == [(0.0, 2), (0.9, 2)]


def reviewed_at_random(seed: int) -> Reviews:
    """Tasks with four places for objects each; what is proposed where, and what is right, is random."""
    rng = np.random.default_rng(seed)
    tasks = []
    for number in range(1, 31):
        proposals, finals = [], []
        for place in range(4):
            mask = box(place * 10, 0, place * 10 + 8, 16)
            region_id, label = f"{number}-{place}", str(rng.choice(["cat", "dog"]))
            kind = rng.choice(["same", "moved", "class", "ghost", "missed"], p=[0.5, 0.1, 0.1, 0.2, 0.1])
            proposed = box(place * 10, 0, place * 10 + 8, 5) if kind == "moved" else mask  # IoU 5/16
            score = float(np.round(rng.uniform(0.02, 0.98), 3))
            if kind != "missed":
                wrong = {"cat": "dog", "dog": "cat"}[label] if kind == "class" else label
                proposals.append(brush(region_id, proposed, wrong, score))
            if kind != "ghost":
                finals.append(brush(region_id, mask, label))
        tasks.append(task(number, [prediction(number, *proposals)], [annotation(number, *finals)]))
    reviews = read(*tasks)
    assert {row.outcome for row in reviews.regions} == set(Outcome)
    return reviews


def evaluate_with_hotcoco(reviews: Reviews, folder: Path) -> hotcoco.COCOeval:
    """Give hotcoco the same proposals and final regions as COCO files."""
    ids = {"cat": 1, "dog": 2}
    numbers = itertools.count(1)
    truths, found = [], []
    for row in reviews.regions:
        place = int((row.region_id or row.proposal_id).split("-")[1])
        for is_proposal, name, area in (
            (False, row.final_class, row.final_area),
            (True, row.proposed_class, row.proposed_area),
        ):
            if area:
                mask = box(place * 10, 0, place * 10 + 8, area // 8)
                encoded = encode_region(mask, name, "")
                entry: Json = {"image_id": row.task, "category_id": ids[name], "segmentation": encoded.segmentation}
                entry |= {"id": next(numbers), "area": area, "bbox": list(encoded.bbox), "iscrowd": 0}
                (found if is_proposal else truths).append({**entry, "score": row.score} if is_proposal else entry)
    images = [
        {"id": number, "width": 40, "height": 20, "file_name": "x"} for number in {row.task for row in reviews.regions}
    ]
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    write_json(folder / "truth.json", {"images": images, "categories": categories, "annotations": truths})
    truth = hotcoco.COCO(str(folder / "truth.json"))
    judge = hotcoco.COCOeval(truth, truth.loadRes(found), "segm")
    judge.evaluate()
    return judge


@pytest.mark.parametrize("seed", [1, 2])
def test_the_calibration_is_hotcocos(seed: int, tmp_path: Path) -> None:
    reviews = reviewed_at_random(seed)
    figures = compute_figures(reviews)
    judged = evaluate_with_hotcoco(reviews, tmp_path).calibration(n_bins=10, iou_threshold=0.5)
    assert figures.calibration is not None
    assert figures.calibration.error == pytest.approx(judged["ece"], abs=1e-6)
    assert figures.scored == judged["num_detections"]
    bins = [(one["count"], one["avg_confidence"], one["avg_accuracy"]) for one in judged["bins"] if one["count"]]
    mine = [(one.count, one.mean_score, one.right) for one in figures.calibration.bins]
    np.testing.assert_allclose(mine, bins, atol=1e-6)


def test_the_order_of_the_scores_finds_errors_as_counted_by_hand() -> None:
    curve = build_curve([0.3, 0.1, 0.4, 0.2], [True, True, False, False])
    assert curve is not None
    np.testing.assert_allclose(curve.by_score, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(curve.best, [0, 0.5, 1, 1, 1])
    # areas by trapezoids: 0.625 by score, 0.75 at best, 0.5 at random
    assert curve.gain == pytest.approx(0.5)
    assert curve.found_after(0.25) == pytest.approx(0.5)


def test_a_task_counts_with_all_its_errors() -> None:
    curve = build_curve([0.1, 0.3, 0.2, 0.9], [1, 3, 0, 0])
    assert curve is not None
    np.testing.assert_allclose(curve.by_score, [0, 0.25, 0.25, 1, 1])
    np.testing.assert_allclose(curve.best, [0, 0.75, 1, 1, 1])
    assert (curve.count, curve.errors) == (4, 4)
    assert (curve.found_after(0.25), curve.best_after(0.25)) == (0.25, 0.75)
    # areas by trapezoids: 0.5 by score, 0.8125 at best
    assert curve.gain == pytest.approx(0)


def test_the_queue_of_tasks_is_in_the_order_of_the_predictions_scores() -> None:
    square, other = brush("a", box(0, 0, 10, 10), score=0.5), brush("b", box(20, 0, 30, 10), score=0.5)
    kept = [square, other]
    left = {1: [square], 2: [], 3: kept, 4: kept}  # one error, two, none, none
    scores = {1: 0.2, 2: 0.1, 3: 0.8, 4: None}
    tasks = [
        task(number, [{**prediction(number, *kept), "score": scores[number]}], [annotation(number, *regions)])
        for number, regions in left.items()
    ]
    queue = compute_figures(read(*tasks)).queue
    assert queue is not None
    assert (queue.count, queue.errors) == (3, 3)  # the fourth has no score
    np.testing.assert_allclose(queue.by_score, [0, 2 / 3, 1, 1])
    reviewed_twice = task(
        1, tasks[0]["predictions"], [annotation(1, square), annotation(1, by="bo"), annotation(1, *kept)]
    )
    queue = compute_figures(read(reviewed_twice, *tasks[1:])).queue
    assert queue is not None
    assert (queue.count, queue.errors) == (3, 5)  # each person's corrections, in one place of the queue


def test_equal_scores_are_no_order() -> None:
    curve = build_curve([0.5] * 4, [True, False, False, False])
    assert curve is not None
    np.testing.assert_allclose(curve.by_score, curve.looked_at)
    assert curve.gain == pytest.approx(0)


def test_the_best_and_the_worst_order_have_the_gains_one_and_minus_one() -> None:
    best, worst = build_curve([0, 0, 1, 1], [True, True, False, False]), build_curve([0, 1], [False, True])
    assert best is not None and worst is not None
    assert (best.gain, worst.gain) == (pytest.approx(1), pytest.approx(-1))


@pytest.mark.parametrize("is_error", [[True, True], [False, False], []])
def test_without_a_difference_there_is_no_curve(is_error: list[bool]) -> None:
    assert build_curve([0.5] * len(is_error), is_error) is None


def test_only_what_needs_work_is_an_error() -> None:
    square = box(0, 0, 10, 10)
    nearly = box(0, 0, 10, 10) & ~box(0, 0, 5, 1)  # IoU 0.95
    proposed = prediction(1, brush("a", square), brush("b", box(20, 0, 30, 10)))
    reviews = read(task(1, [proposed], [annotation(1, brush("a", nearly), brush("b", box(20, 0, 30, 8)))]))
    assert [(row.outcome, row.is_error) for row in reviews.regions] == [
        (Outcome.EDITED, False),
        (Outcome.EDITED, True),
    ]


def timed(link: Link, seconds: float | None) -> AnnotationRow:
    return AnnotationRow(1, 1, "ann", None if link is Link.NONE else 1, "v1", link, None, seconds, 3, 3)


def test_saved_hours_compare_medians_with_tasks_that_had_no_prediction() -> None:
    reviewed = [timed(Link.PARENT, seconds) for seconds in (10, 20, 30, 40, 5000)]
    without = [timed(Link.NONE, seconds) for seconds in (60, 70, 90, 100, 110)]
    ignored = [timed(Link.EARLIER, 1.0), timed(Link.PARENT, None)]
    saving = measure_saving([*reviewed, *without, *ignored])
    assert saving is not None
    assert (saving.count, saving.reviewed_seconds, saving.without_seconds) == (5, 30, 90)
    assert saving.hours == pytest.approx(5 * 60 / 3600)
    assert measure_saving([*reviewed, *without[1:]]) is None
    assert measure_saving([*reviewed[1:], *without]) is None


def test_people_who_drew_the_same_agree_and_the_others_are_listed_first() -> None:
    left, right, low = box(0, 0, 10, 10), box(20, 0, 30, 10), box(0, 10, 40, 20)
    document = task(
        1,
        [prediction(1, brush("a", left), brush("b", right))],
        [
            annotation(1, brush("a", left), brush("b", right), by="ann"),
            annotation(1, brush("a", left), brush("b", right), by="bo"),
            annotation(1, brush("a", left), brush("b", right, "dog"), brush("c", low), by="cy"),
            annotation(1, brush("c", low), by="ann"),  # her own second annotation
        ],
    )
    reviews = read(document)
    people = Counter(row.annotators for row in reviews.agreements)
    assert people == {("ann", "bo"): 2, ("ann", "cy"): 2, ("bo", "cy"): 1}
    pairs = {pair.annotators: pair for pair in count_pairs(reviews.agreements[:2])}
    assert pairs["ann", "bo"].agreement == 1.0
    # five regions, two pairs of them in one place, one of which has one class
    both = pairs["ann", "cy"]
    assert (both.regions, both.matched, both.same_class, both.agreement) == (5, 2, 1, pytest.approx(0.4))
    assert next(iter(pairs)) == ("ann", "cy")
