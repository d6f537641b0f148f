"""Matching the regions of two sets: by id, the rest greedily by overlap, one to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.export import EncodedRegion, measure_ious
from backend.report.outcomes import MIN_IOU, Outcome


@dataclass(frozen=True)
class Match:
    """A proposal and the region that it became; None on the side that has none.

    Attributes:
        iou: None unless there are both.
    """

    proposal: EncodedRegion | None
    region: EncodedRegion | None
    matched_by: str = ""
    iou: float | None = None


def match_regions(
    proposals: Sequence[EncodedRegion], regions: Sequence[EncodedRegion], *, by_id: bool = True
) -> list[Match]:
    """Match each proposal with at most one region.

    Regions with the same id are the same whatever was painted; of the others the pairs with the largest IoU, which must
    be at least `MIN_IOU`, whatever their class. In the order of the proposals, then the regions without a proposal.

    Args:
        proposals, regions: Of one image.
        by_id: False for two annotations of different people, where the same id only says what both were made from.
    """
    ious = measure_ious(proposals, regions)
    partner: dict[int, tuple[int, str]] = {}
    if by_id:
        places = {region.region_id: place for place, region in reversed(list(enumerate(regions)))}
        for place, proposal in enumerate(proposals):
            other = places.pop(proposal.region_id, None)
            if other is not None:
                partner[place] = other, "id"
    taken = {other for other, _ in partner.values()}
    for flat in np.argsort(-ious, axis=None, kind="stable").tolist():
        place, other = divmod(flat, len(regions))
        if ious[place, other] < MIN_IOU:
            break
        if place not in partner and other not in taken:
            partner[place] = other, "overlap"
            taken.add(other)
    matches = []
    for place, proposal in enumerate(proposals):
        if place in partner:
            other, how = partner[place]
            matches.append(Match(proposal, regions[other], how, _iou(proposal, regions[other], ious[place, other])))
        else:
            matches.append(Match(proposal, None))
    return matches + [Match(None, region) for place, region in enumerate(regions) if place not in taken]


def _iou(proposal: EncodedRegion, region: EncodedRegion, iou: float) -> float:
    """Return 1 for exactly equal masks, so that nothing depends on how a quotient is rounded."""
    return 1.0 if proposal.segmentation == region.segmentation else float(iou)


def judge(match: Match, proposed_class: str, final_class: str, changed_choices: Sequence[str]) -> Outcome:
    """Return what the person did with the proposal of a match."""
    if match.proposal is None:
        return Outcome.ADDED
    if match.region is None:
        return Outcome.DELETED
    if proposed_class != final_class or changed_choices:
        return Outcome.RECLASSIFIED
    is_same = match.proposal.segmentation == match.region.segmentation
    return Outcome.UNTOUCHED if is_same else Outcome.EDITED
