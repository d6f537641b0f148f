"""Which automatic masks are kept for their shape: neither too small nor too large, each once, wholes or parts."""

from __future__ import annotations

from collections.abc import Sequence

from backend.geometry import MaskOverlaps
from backend.values import Candidate, Nesting, ProposalOptions


def keep_clean(candidates: Sequence[Candidate], options: ProposalOptions) -> list[Candidate]:
    """Return the candidates that the options keep, in their order.

    Masks of other areas are dropped first, then near-duplicates, then what is nested in the rest, so that a mask that
    is dropped drops no other.

    Args:
        candidates: Cleaned, best first, none of them empty.
    """
    if not candidates:
        return []
    overlaps = MaskOverlaps([candidate.mask for candidate in candidates])
    pixels = candidates[0].mask.size
    smallest, largest = max(options.min_area, options.min_area_share * pixels), options.max_area_share * pixels
    places = [place for place, area in enumerate(overlaps.areas.tolist()) if smallest <= area <= largest]
    places = overlaps.find_distinct(places, options.mask_nms_thresh)
    if options.nesting is not Nesting.BOTH:
        column = 0 if options.nesting is Nesting.WHOLES else 1
        dropped = {pair[column] for pair in overlaps.find_nested(places, options.containment_thresh)}
        places = [place for place in places if place not in dropped]
    return [candidates[place] for place in places]
