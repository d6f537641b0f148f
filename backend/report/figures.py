"""All figures of a report, computed once from the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from backend.errors import ExportError
from backend.report.agreement import Pair, count_pairs
from backend.report.groups import Confusion, Group, count_all, count_by, count_classes, count_confusions
from backend.report.reading import Reviews
from backend.report.scores import Calibration, ReviewCurve, build_curve, calibrate
from backend.report.times import Saving, Times, measure_saving, measure_times


@dataclass(frozen=True)
class Figures:
    """Figures of one project.

    Attributes:
        scored: Number of proposals with a score; calibration and curve are about them.
        calibration: None without scores.
        curve: By mask; None without scores, without errors, or without anything else.
        queue: The same errors by task, in the order of the predictions' scores; None likewise.
        saving: None where there is too little to compare with.
    """

    total: Group
    classes: Sequence[Group]
    versions: Sequence[Group]
    annotators: Sequence[Group]
    confusion: Confusion
    scored: int
    calibration: Calibration | None
    curve: ReviewCurve | None
    queue: ReviewCurve | None
    times: Sequence[Times]
    version_times: Sequence[Times]
    saving: Saving | None
    pairs: Sequence[Pair]


def compute_figures(reviews: Reviews) -> Figures:
    """Compute the figures.

    Raises:
        ExportError: There is no annotation, or no prediction that one could be compared with.
    """
    check_reviews(reviews)
    scored = [(row.score, row) for row in reviews.proposals if row.score is not None]
    scores = [score for score, _ in scored]
    return Figures(
        total=count_all(reviews.regions),
        classes=count_classes(reviews.regions),
        versions=count_by(reviews.regions, lambda row: row.model_version),
        annotators=count_by(reviews.regions, lambda row: row.annotator),
        confusion=count_confusions(reviews.regions),
        scored=len(scored),
        calibration=calibrate(scores, [row.is_found for _, row in scored]),
        curve=build_curve(scores, [row.is_error for _, row in scored]),
        queue=_build_queue(reviews),
        times=measure_times(reviews.reviewed, lambda row: row.annotator),
        version_times=measure_times(reviews.reviewed, lambda row: row.model_version),
        saving=measure_saving(reviews.annotations),
        pairs=count_pairs(reviews.agreements),
    )


def _build_queue(reviews: Reviews) -> ReviewCurve | None:
    """Build the curve of tasks; one with two reviewed predictions stands in the queue with each of them."""
    scores = {
        (row.task, row.prediction): row.score
        for row in reviews.annotations
        if row.prediction is not None and row.score is not None
    }
    errors = Counter((row.task, row.prediction) for row in reviews.proposals if row.is_error)
    return build_curve(list(scores.values()), [errors[place] for place in scores])


def check_reviews(reviews: Reviews) -> None:
    """Raise `ExportError` unless there is something to report."""
    first = f" The first problem: {reviews.problems[0]}" if reviews.problems else ""
    if not reviews.annotations:
        message = f"No task has a submitted annotation that can be read, so nothing was reviewed yet.{first}"
        raise ExportError(message, remedy="Review some tasks in Label Studio and submit them, then try again.")
    if not reviews.reviewed:
        count = len(reviews.annotations)
        message = f"None of the {count} annotations can be compared, because their tasks have no earlier prediction."
        remedy = "Predict tasks with `python -m scripts.preannotate` before they are reviewed."
        raise ExportError(message + first, remedy=remedy)
