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
    places = [place for place, area in enumerate(overlaps.areas.tolist()) if options.allows_area(area, pixels)]
    places = overlaps.find_distinct(places, options.mask_nms_thresh)
    if options.nesting is not Nesting.BOTH:
        pairs = overlaps.find_nested(places, options.containment_thresh)
        places = _choose(places, pairs, options.nesting)
    return [candidates[place] for place in places]


def _choose(places: Sequence[int], pairs: Sequence[tuple[int, int]], nesting: Nesting) -> list[int]:
    """Return the places that are kept of parts and wholes.

    Args:
        places: Best first.
        pairs: Each a part and its whole.
    """
    if nesting is not Nesting.BEST:
        dropped = {part if nesting is Nesting.WHOLES else whole for part, whole in pairs}
        return [place for place in places if place not in dropped]
    rivals: dict[int, set[int]] = {place: set() for place in places}
    for part, whole in pairs:
        rivals[part].add(whole)
        rivals[whole].add(part)
    kept: dict[int, None] = {}
    for place in places:
        if rivals[place].isdisjoint(kept):
            kept[place] = None
    return list(kept)
