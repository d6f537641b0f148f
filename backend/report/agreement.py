"""How far people agree with each other, by pair of annotators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from backend.report.outcomes import AgreementRow


@dataclass
class Pair:
    """Two annotators and the tasks that both have annotated.

    Attributes:
        regions: Of both together.
        matched: Pairs of regions with an IoU of at least `MIN_IOU`.
        same_class: Of them, with the same class.
    """

    annotators: tuple[str, str]
    tasks: set[int] = field(default_factory=set)
    regions: int = 0
    matched: int = 0
    same_class: int = 0
    iou_sum: float = 0.0

    @property
    def agreement(self) -> float:
        """Share of all regions that have a counterpart of the same class (F1); 1 without any region."""
        return 2 * self.same_class / self.regions if self.regions else 1.0

    @property
    def mean_iou(self) -> float | None:
        return self.iou_sum / self.matched if self.matched else None


def count_pairs(rows: Iterable[AgreementRow]) -> list[Pair]:
    """Add up the tasks of each pair; those who agree least first."""
    pairs: dict[tuple[str, str], Pair] = {}
    for row in rows:
        pair = pairs.setdefault(row.annotators, Pair(row.annotators))
        pair.tasks.add(row.task)
        pair.regions += sum(row.regions)
        pair.matched += row.matched
        pair.same_class += row.same_class
        pair.iou_sum += row.iou_sum
    return sorted(pairs.values(), key=lambda pair: (pair.agreement, pair.annotators))
