"""The report as one HTML page with everything inside: style, plots, pictures. It needs no network and no scripts."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from backend.report.figures import Figures
from backend.report.groups import NOTHING, Confusion, Group
from backend.report.outcomes import GOOD_IOU, MIN_IOU, Link, Outcome, RegionRow
from backend.report.plots import plot_calibration, plot_curve, plot_ious
from backend.report.reading import Reviews
from backend.report.sentences import percent, show_class, write_headline, write_sentences
from backend.report.worst import Picture

MAX_ROWS = 40
MAX_CLASSES = 12  # of the confusion matrix
MAX_PROBLEMS = 100
CSS_NAMES = {
    Outcome.UNTOUCHED: "untouched",
    Outcome.EDITED: "edited",
    Outcome.RECLASSIFIED: "reclassified",
    Outcome.DELETED: "deleted",
    Outcome.ADDED: "added",
}
LinkOf = Callable[[RegionRow], str]


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix; `strength` from 0 to 1 is its share of its row."""

    count: int
    strength: float
    is_right: bool


def render_page(
    title: str, reviews: Reviews, figures: Figures, pictures: Sequence[Picture], link_of: LinkOf = lambda row: ""
) -> str:
    """Render the page.

    Args:
        title: Of the project.
        link_of: Returns the address of a region in Label Studio; "" for none.
    """
    edited = [row.iou for row in reviews.regions if row.outcome is Outcome.EDITED and row.iou is not None]
    environment = Environment(
        loader=PackageLoader("backend.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "decimal": _decimal, "seconds": _seconds}
    return environment.get_template("report.html").render(
        title=title,
        headline=write_headline(figures.total),
        sentences=write_sentences(figures, reviews),
        figures=figures,
        reviews=reviews,
        outcomes=list(Outcome),
        css_names=CSS_NAMES,
        show_class=show_class,
        max_rows=MAX_ROWS,
        max_problems=MAX_PROBLEMS,
        min_iou=MIN_IOU,
        good_iou=GOOD_IOU,
        untimed=sum(row.lead_seconds is None for row in reviews.reviewed),
        without=sum(row.link is Link.NONE and row.lead_seconds is not None for row in reviews.annotations),
        confusion=_matrix(figures.confusion),
        calibration_plot=plot_calibration(figures.calibration) if figures.calibration else "",
        curve_plot=plot_curve(figures.curve, "masks") if figures.curve else "",
        queue_plot=plot_curve(figures.queue, "tasks") if figures.queue else "",
        iou_plot=plot_ious(edited) if edited else "",
        pictures=[(picture, _data_url(picture.preview), link_of(picture.row)) for picture in pictures],
        describe=describe,
        parts=_parts,
    )


def describe(row: RegionRow) -> str:
    """Say in a few words what happened to a region."""
    before, after = show_class(row.proposed_class), show_class(row.final_class)
    if row.outcome is Outcome.DELETED:
        return f"{before} deleted"
    if row.outcome is Outcome.ADDED:
        return f"{after} was missed"
    if row.outcome is Outcome.RECLASSIFIED and row.proposed_class != row.final_class:
        return f"{before} became {after}"
    if row.outcome is Outcome.RECLASSIFIED:
        return f"{after}: {', '.join(row.changed_choices)} changed"
    return f"{after} edited, IoU {row.iou or 0:.2f}"


def _parts(group: Group) -> list[tuple[str, str, int, float]]:
    """Return the parts of a group's bar: CSS name, words, count, percent of the bar's length."""
    total = sum(group.outcomes.values())
    counts = [(outcome, group.outcomes[outcome]) for outcome in Outcome]
    return [(CSS_NAMES[one], one.value, count, 100 * count / total) for one, count in counts if count]


def _matrix(confusion: Confusion) -> tuple[list[str], list[str], list[list[Cell]]]:
    """Return the names of rows and columns, and the cells; beyond `MAX_CLASSES` classes the rest is left out."""
    classes = list(confusion.classes[:MAX_CLASSES])
    rows, columns = [*classes, NOTHING], [*classes, NOTHING]
    cells = []
    for before in rows:
        counts = [confusion.counts[before, after] for after in columns]
        whole = sum(counts) or 1
        cells.append(
            [Cell(count, count / whole, before == after) for after, count in zip(columns, counts, strict=True)]
        )
    return rows, columns, cells


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"
