"""The regions that a person has accepted or drawn on the page of one image, whatever their shape and label.

Like `correctable_regions` they come from a snapshot of the whole page, which is some seconds old:

1. the newest draft,
2. the newest annotation, if there is no draft: a person who reopens an annotation and types at once has none yet,
3. the newest prediction, if there is neither: Label Studio copies it into a new annotation.

The second may be another person's, so it is only read for a request that asks for "more like these", which shows the
person what it went by. `find_own` leaves it out, unless the request proves that the page shows this annotation: it has
a text or a choice for the whole image that was saved with it. Ids of predictions prove nothing, because Label Studio
copies them into every person's annotation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.draft_prompts import newest_draft, saved_at
from backend.label_studio.results import (
    KEYPOINT,
    RECTANGLE,
    Result,
    SavedRegion,
    find_regions,
    ids_of,
    kind_of_region,
    objects_of,
    results_of,
)


def find_accepted(document: Mapping[str, Any], config: ImageConfig) -> tuple[SavedRegion, ...]:
    """Return the regions on the page, oldest first, with their masks not decoded yet; see the table above."""
    draft = newest_draft(document)
    if draft is not None:
        return _regions_of(draft, config)
    annotations = sorted(objects_of(document.get("annotations")), key=saved_at)
    return _regions_of(annotations[-1], config) if annotations else find_own(document, config)


def find_own(
    document: Mapping[str, Any], config: ImageConfig, context: Sequence[Result] = ()
) -> tuple[SavedRegion, ...]:
    """Return the regions as `find_accepted` does, but never those of an annotation that may be another person's.

    Args:
        context: Results of the request for the whole image.
    """
    draft = newest_draft(document)
    if draft is not None:
        return _regions_of(draft, config)
    predictions = sorted(objects_of(document.get("predictions")), key=saved_at)
    annotations = sorted(objects_of(document.get("annotations")), key=saved_at)
    if annotations:
        own_ids = ids_of(context).difference(*(ids_of(results_of(prediction)) for prediction in predictions))
        shown = [annotation for annotation in annotations if own_ids & ids_of(results_of(annotation))]
        return _regions_of(shown[-1], config) if shown else ()
    return _regions_of(predictions[-1], config) if predictions else ()


def has_prompts(document: Mapping[str, Any], config: ImageConfig) -> bool:
    """Return whether the newest draft has a point or a box that is no region: its answer is still on the page."""
    draft = newest_draft(document)
    if draft is None:
        return False
    regions = {region.region_id for region in _regions_of(draft, config)}
    drawn = (result for result in results_of(draft) if kind_of_region(result) in (KEYPOINT, RECTANGLE))
    return any(str(result.get("id")) not in regions for result in drawn)


def _regions_of(page: Mapping[str, Any], config: ImageConfig) -> tuple[SavedRegion, ...]:
    readable = [result for result in results_of(page) if isinstance(result.get("id"), (str, int))]
    return tuple(find_regions(readable, config))
