"""The figures as CSV files, one file a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.export import encode_rows
from backend.report.figures import Figures
from backend.report.groups import NOTHING, Group
from backend.report.outcomes import Outcome
from backend.report.reading import Reviews
from backend.report.scores import ReviewCurve

REGIONS = (
    "task",
    "annotation",
    "prediction",
    "model_version",
    "annotator",
    "image",
    "proposal_id",
    "region_id",
    "matched_by",
    "outcome",
    "proposed_class",
    "final_class",
    "changed_choices",
    "score",
    "iou",
    "proposed_area",
    "final_area",
)
ANNOTATIONS = (
    "task",
    "annotation",
    "annotator",
    "prediction",
    "model_version",
    "compared_by",
    "prediction_score",
    "lead_seconds",
    "proposals",
    "regions",
)
GROUPS = (
    "name",
    "proposals",
    "untouched",
    "edited",
    "reclassified",
    "deleted",
    "added",
    "final_regions",
    "acceptance",
    "mean_iou",
    "precision",
    "recall",
)
CURVE = ("looked_at", "by_score", "random", "best")
DIGITS = 6
Row = Sequence[object]


def build_tables(figures: Figures, reviews: Reviews) -> dict[str, bytes]:
    """Build all files, by name."""
    bins = figures.calibration.bins if figures.calibration else ()
    counts = sorted(figures.confusion.counts.items())
    return {
        "regions.csv": _encode(REGIONS, _region_rows(reviews)),
        "annotations.csv": _encode(ANNOTATIONS, _annotation_rows(reviews)),
        "total.csv": _encode(GROUPS, _group_rows([figures.total])),
        "classes.csv": _encode(GROUPS, _group_rows(figures.classes)),
        "model_versions.csv": _encode(GROUPS, _group_rows(figures.versions)),
        "annotators.csv": _encode(GROUPS, _group_rows(figures.annotators)),
        "confusion.csv": _encode(
            ("proposed_class", "final_class", "count"),
            ([_shown(before), _shown(after), count] for (before, after), count in counts),
        ),
        "calibration.csv": _encode(
            ("lower", "upper", "count", "mean_score", "right"),
            (
                [_number(one.lower), _number(one.upper), one.count, _number(one.mean_score), _number(one.right)]
                for one in bins
            ),
        ),
        "review_order.csv": _encode(CURVE, _curve_rows(figures.curve)),
        "task_order.csv": _encode(CURVE, _curve_rows(figures.queue)),
        "times.csv": _encode(
            ("annotator", "annotations", "median_seconds", "median_seconds_a_region"),
            ([one.name, one.count, _number(one.seconds), _number(one.seconds_a_region)] for one in figures.times),
        ),
        "agreement.csv": _encode(
            ("task", "annotator", "other", "regions", "other_regions", "matched", "same_class", "agreement"),
            (
                [one.task, *one.annotators, *one.regions, one.matched, one.same_class, _number(one.agreement)]
                for one in reviews.agreements
            ),
        ),
        "problems.csv": _encode(("problem",), ([problem] for problem in reviews.problems)),
    }


def _encode(header: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Encode a table; half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes "?"."""
    return encode_rows(header, ([_to_utf8(cell) if isinstance(cell, str) else cell for cell in row] for row in rows))


def _to_utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _region_rows(reviews: Reviews) -> Iterable[Row]:
    for row in reviews.regions:
        yield [
            row.task,
            row.annotation,
            row.prediction,
            row.model_version,
            row.annotator,
            row.image,
            row.proposal_id,
            row.region_id,
            row.matched_by,
            row.outcome.value,
            row.proposed_class,
            row.final_class,
            " ".join(row.changed_choices),
            _number(row.score),
            _number(row.iou),
            row.proposed_area,
            row.final_area,
        ]


def _annotation_rows(reviews: Reviews) -> Iterable[Row]:
    for row in reviews.annotations:
        prediction = "" if row.prediction is None else row.prediction
        made = (row.task, row.annotation, row.annotator, prediction, row.model_version, row.link.value)
        yield [*made, _number(row.score), _number(row.lead_seconds), row.proposals, row.regions]


def _group_rows(groups: Iterable[Group]) -> Iterable[Row]:
    for group in groups:
        shares = (group.acceptance, group.mean_iou, group.precision, group.recall)
        outcomes = [group.outcomes[outcome] for outcome in Outcome]
        yield [group.name, group.proposals, *outcomes, group.finals, *map(_number, shares)]


def _curve_rows(curve: ReviewCurve | None) -> Iterable[Row]:
    if curve is not None:
        for step in zip(curve.looked_at, curve.by_score, curve.looked_at, curve.best, strict=True):
            yield [_number(float(value)) for value in step]


def _shown(name: str) -> str:
    return "(nothing)" if name == NOTHING else name


def _number(value: float | None) -> object:
    return "" if value is None else round(value, DIGITS)
