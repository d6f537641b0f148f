"""Points on several masks: each background point takes a part from its own mask.

Label Studio sends all points with one label together, until the tick or the cross. Where several masks wait for the
tick, such as those of boxes, a person takes a part from one and then from another, or begins a new object. Background
points before the first positive one can mean only masks that were there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.geometry import Point
from backend.label_studio.requests import LabeledPrompt
from backend.predict.correctable_masks import CorrectableMasks


def split_by_mask(prompt: LabeledPrompt, masks: CorrectableMasks) -> list[LabeledPrompt]:
    """Split points that no one mask explains: first background points by their masks, then the other points together.

    The other points belong to one of these masks if they are near it, else to a new object. A prompt that begins with
    no background point stays whole, and so does one whose background points are on no mask.
    """
    coords, labels = prompt.prompt.point_coords, prompt.prompt.point_labels
    if len(coords) < 2 or labels[0] == 1 or prompt.prompt.box_xyxy is not None:
        return [prompt]
    if masks.find(prompt) is not None:
        return [prompt]

    def mask_of(part: LabeledPrompt) -> str | None:
        region = masks.find(part)
        return None if region is None else region.region_id

    first = labels.index(1) if 1 in labels else len(labels)
    by_mask: dict[str, list[Point]] = {}
    for at in coords[:first]:
        region_id = mask_of(_with_points(prompt, [at], [0]))
        if region_id is not None:
            by_mask.setdefault(region_id, []).append(at)
        elif at == coords[-1]:
            return [prompt]  # the newest click, which is refused; an earlier one was, and does not count
    if not by_mask:
        return [prompt]
    parts = {key: _with_points(prompt, taken, [0] * len(taken)) for key, taken in by_mask.items()}
    if first == len(coords):
        return list(parts.values())
    others = _with_points(prompt, coords[first:], labels[first:])
    key = mask_of(others)
    if key not in parts:
        return [*parts.values(), others]
    parts[key] = _with_points(prompt, [*by_mask[key], *coords[first:]], [0] * len(by_mask[key]) + list(labels[first:]))
    return list(parts.values())


def _with_points(prompt: LabeledPrompt, coords: Sequence[Point], labels: Sequence[int]) -> LabeledPrompt:
    points = replace(prompt.prompt, point_coords=tuple(coords), point_labels=tuple(labels))
    return replace(prompt, prompt=points)
