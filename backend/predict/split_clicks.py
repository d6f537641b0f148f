"""Background points on several masks: each takes a part from its own mask.

Label Studio sends all points with one label together, until the tick or the cross. Where several masks wait for the
tick, such as those of boxes, a person takes a part from one and then from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import CorrectableRegion, LabeledPrompt, MaskBoxCache
from backend.predict.clicks import find_corrected, is_background
from backend.runtime import NO_DEADLINE, Deadline


def split_by_mask(
    prompt: LabeledPrompt,
    correctable: Sequence[CorrectableRegion],
    config: ImageConfig,
    boxes: MaskBoxCache,
    deadline: Deadline = NO_DEADLINE,
) -> list[LabeledPrompt]:
    """Split several background points that no one mask explains into one prompt for each mask.

    Any other prompt stays whole, as do points of which one is on no mask: that one is refused.

    Args:
        correctable: Masks on the page, newest first.
        boxes: Cache.
    """
    points = prompt.prompt
    if len(points.point_coords) < 2 or not is_background(points) or points.box_xyxy is not None:
        return [prompt]
    if find_corrected(prompt, correctable, config, boxes, deadline) is not None:
        return [prompt]
    by_mask: dict[str, list[tuple[float, float]]] = {}
    for at in points.point_coords:
        alone = replace(prompt, prompt=replace(points, point_coords=(at,), point_labels=(0,)))
        region = find_corrected(alone, correctable, config, boxes, deadline)
        if region is None:
            return [prompt]
        by_mask.setdefault(region.region_id, []).append(at)
    return [
        replace(prompt, prompt=replace(points, point_coords=tuple(coords), point_labels=(0,) * len(coords)))
        for coords in by_mask.values()
    ]
