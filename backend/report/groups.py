"""Counts of outcomes, by class, model version or annotator, and the confusion matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from backend.report.outcomes import Outcome, RegionRow

NOTHING = ""  # as a class: proposed nothing, or nothing is left


@dataclass
class Group:
    """What became of the proposals of one class, model version or annotator.

    A reclassified proposal counts for the class that the model gave it as a proposal, and for the person's class as a
    final region.

    Attributes:
        outcomes: Number of regions by outcome.
        finals: Number of final regions.
        found: Number of proposals with the same class as their final region and an IoU of at least `MIN_IOU`.
        iou_sum: Sum of the IoU of the kept proposals.
    """

    name: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    finals: int = 0
    found: int = 0
    iou_sum: float = 0.0

    @property
    def proposals(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome is not Outcome.ADDED)

    @property
    def kept(self) -> int:
        return self.proposals - self.outcomes[Outcome.DELETED]

    @property
    def work(self) -> int:
        """Number of regions that a person had to do something about."""
        return sum(count for outcome, count in self.outcomes.items() if outcome is not Outcome.UNTOUCHED)

    @property
    def acceptance(self) -> float | None:
        """Share of the proposals that were accepted untouched."""
        return _share(self.outcomes[Outcome.UNTOUCHED], self.proposals)

    @property
    def mean_iou(self) -> float | None:
        """Of the kept proposals with what they became."""
        return self.iou_sum / self.kept if self.kept else None

    @property
    def precision(self) -> float | None:
        """Share of the proposals that found an object of their class."""
        return _share(self.found, self.proposals)

    @property
    def recall(self) -> float | None:
        """Share of the final regions that a proposal of their class had found."""
        return _share(self.found, self.finals)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def count_all(rows: Iterable[RegionRow]) -> Group:
    """Count all regions as one group."""
    group = Group("all")
    for row in rows:
        _count_proposal(group, row)
        group.finals += row.outcome is not Outcome.DELETED
    return group


def count_by(rows: Iterable[RegionRow], key: Callable[[RegionRow], str]) -> list[Group]:
    """Count by what is the same for a proposal and its final region; those with most work first."""
    groups: dict[str, list[RegionRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    counted = [count_all(members) for members in groups.values()]
    for group, name in zip(counted, groups, strict=True):
        group.name = name
    return _most_work_first(counted)


def count_classes(rows: Iterable[RegionRow]) -> list[Group]:
    """Count by class; those with most work first."""
    groups: dict[str, Group] = {}
    for row in rows:
        if row.is_proposal:
            _count_proposal(groups.setdefault(row.proposed_class, Group(row.proposed_class)), row)
        if row.outcome is not Outcome.DELETED:
            group = groups.setdefault(row.final_class, Group(row.final_class))
            group.finals += 1
            group.outcomes[Outcome.ADDED] += row.outcome is Outcome.ADDED
    return _most_work_first(groups.values())


def _count_proposal(group: Group, row: RegionRow) -> None:
    group.outcomes[row.outcome] += 1
    group.found += row.is_found
    group.iou_sum += row.iou or 0.0


def _most_work_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.work, group.name))


@dataclass(frozen=True)
class Confusion:
    """How often each proposed class became each final class.

    Attributes:
        classes: Those with most mistakes first.
        counts: By proposed and final class; `NOTHING` as the proposed class is a missed object, as the final class a
            deleted proposal.
    """

    classes: Sequence[str]
    counts: Counter[tuple[str, str]]


def count_confusions(rows: Iterable[RegionRow], unlabeled: str = "(no label)") -> Confusion:
    """Count the pairs of classes; a region without a class is called `unlabeled`."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        before = (row.proposed_class or unlabeled) if row.is_proposal else NOTHING
        after = NOTHING if row.outcome is Outcome.DELETED else (row.final_class or unlabeled)
        counts[before, after] += 1
    mistakes: Counter[str] = Counter()
    for (before, after), count in counts.items():
        for name in {before, after} - {NOTHING}:
            mistakes[name] += count if before != after else 0
    return Confusion(sorted(mistakes, key=lambda name: (-mistakes[name], name)), counts)
