"""What became of proposals: one small row for each region and for each annotation, no masks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MIN_IOU = 0.5  # of a proposal and a final region that are the same object
GOOD_IOU = 0.9  # of a proposal that needs no correction worth looking for


class Outcome(str, Enum):
    """What a person did with a proposal, or that there was none."""

    UNTOUCHED = "accepted untouched"
    EDITED = "edited"
    RECLASSIFIED = "reclassified"
    DELETED = "deleted"
    ADDED = "added by hand"


class Link(str, Enum):
    """How an annotation was assigned to the prediction that it is compared with."""

    PARENT = "made from the prediction"
    REGION_IDS = "shares region ids"
    EARLIER = "newest earlier prediction"
    NONE = "no prediction"


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A proposal, the final region that it became, or both.

    Attributes:
        task, annotation, prediction: Ids in Label Studio.
        proposal_id, region_id: Of the two regions; "" for a region that one side lacks.
        matched_by: "id", "overlap" or "" for a region that one side lacks.
        proposed_class, final_class: "" for a region that one side lacks, or that has no label.
        changed_choices: Names of the per-region choices that were changed.
        score: Of the proposal; None if it has none.
        iou: Of the mask before and after; None for a region that one side lacks.
        proposed_area, final_area: In pixels.
    """

    task: int
    annotation: int
    prediction: int
    model_version: str
    annotator: str
    image: str
    proposal_id: str
    region_id: str
    matched_by: str
    outcome: Outcome
    proposed_class: str
    final_class: str
    changed_choices: tuple[str, ...]
    score: float | None
    iou: float | None
    proposed_area: int
    final_area: int

    @property
    def is_proposal(self) -> bool:
        return self.outcome is not Outcome.ADDED

    @property
    def is_kept(self) -> bool:
        """Whether a proposal and a final region were matched."""
        return self.iou is not None

    @property
    def is_found(self) -> bool:
        """Whether the proposal found an object: same class, and IoU at least `MIN_IOU`."""
        return self.iou is not None and self.iou >= MIN_IOU and self.proposed_class == self.final_class

    @property
    def is_error(self) -> bool:
        """Whether the proposal needed work: deleted, reclassified, or edited to an IoU below `GOOD_IOU`."""
        if self.outcome in (Outcome.DELETED, Outcome.RECLASSIFIED):
            return True
        return self.iou is not None and self.iou < GOOD_IOU

    @property
    def main_class(self) -> str:
        """The class that the region counts for: the person's, or the model's if it was deleted."""
        return self.proposed_class if self.outcome is Outcome.DELETED else self.final_class


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """An annotation that a person submitted.

    Attributes:
        prediction: Id of the prediction that it is compared with; None if there was none.
        score: Of the prediction, by which Label Studio sorts tasks; None if it has none.
        lead_seconds: Time that the person took, as Label Studio measured it; None if it did not.
        proposals, regions: Number of masks in the prediction and in the annotation.
    """

    task: int
    annotation: int
    annotator: str
    prediction: int | None
    model_version: str
    link: Link
    score: float | None
    lead_seconds: float | None
    proposals: int
    regions: int


@dataclass(frozen=True)
class AgreementRow:
    """Two annotations of one task, by two people.

    Attributes:
        matched: Pairs of their regions with an IoU of at least `MIN_IOU`.
        same_class: Of them, with the same class.
        iou_sum: Sum of the IoU of the matched pairs.
    """

    task: int
    annotators: tuple[str, str]
    regions: tuple[int, int]
    matched: int
    same_class: int
    iou_sum: float

    @property
    def agreement(self) -> float:
        """Share of all regions that have a counterpart of the same class (F1); 1 for two empty annotations."""
        total = sum(self.regions)
        return 2 * self.same_class / total if total else 1.0
