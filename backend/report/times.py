"""How long annotations took, and what the proposals saved, where there is something to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from backend.report.outcomes import AnnotationRow, Link

MIN_ANNOTATIONS = 5  # of each kind, before anything is said about hours


@dataclass(frozen=True)
class Times:
    """Times of the annotations of one annotator, model version or kind.

    Attributes:
        seconds: Median of one annotation; a page that was left open over lunch would spoil a mean.
        seconds_a_region: Median of the time divided by the number of final regions, where there are any.
    """

    name: str
    count: int
    seconds: float
    seconds_a_region: float | None


@dataclass(frozen=True)
class Saving:
    """Time that was saved by proposals: `count * (without - reviewed) / 3600` hours, negative if they cost time."""

    count: int
    reviewed_seconds: float
    without: int
    without_seconds: float

    @property
    def hours(self) -> float:
        return self.count * (self.without_seconds - self.reviewed_seconds) / 3600


def measure_times(rows: Iterable[AnnotationRow], key: Callable[[AnnotationRow], str]) -> list[Times]:
    """Measure the times by annotator or model version; annotations without a time are left out."""
    groups: dict[str, list[AnnotationRow]] = {}
    for row in rows:
        if row.lead_seconds is not None:
            groups.setdefault(key(row), []).append(row)
    return [_summarize(name, members) for name, members in sorted(groups.items())]


def _summarize(name: str, rows: Sequence[AnnotationRow]) -> Times:
    each = [row.lead_seconds / row.regions for row in rows if row.lead_seconds is not None and row.regions]
    seconds = median(row.lead_seconds for row in rows if row.lead_seconds is not None)
    return Times(name, len(rows), seconds, median(each) if each else None)


def measure_saving(rows: Sequence[AnnotationRow]) -> Saving | None:
    """Compare annotations made from a prediction with those of tasks that had none; None for too few of either.

    Annotations that only happen to have a prediction in their task are in neither group: nobody knows whether the
    person saw it.
    """
    timed = [row for row in rows if row.lead_seconds is not None]
    reviewed = [row.lead_seconds for row in timed if row.link in (Link.PARENT, Link.REGION_IDS)]
    without = [row.lead_seconds for row in timed if row.link is Link.NONE]
    if min(len(reviewed), len(without)) < MIN_ANNOTATIONS:
        return None
    return Saving(len(reviewed), median(filter(None, reviewed)), len(without), median(filter(None, without)))
