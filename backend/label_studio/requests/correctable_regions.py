"""The masks that a click may correct: regions of this task with the label that was picked for the click.

Brushes, bitmasks and polygons: a rectangle or an ellipse is only fitted to the mask it was made of, which is lost.

Where they are, newest first; the first that has any decides, for each is the whole page at its time:

1. the newest draft, which is the page of the person who clicked, some seconds ago;
2. the newest prediction, if nobody has annotated the task yet: Label Studio copies it into a new annotation.

Saved annotations are never looked at: the payload does not say who clicks, and what another annotator drew must not
show through in an annotation that ought to be independent. Whoever goes back to an annotation of their own has a draft
of it as soon as Label Studio saves their first change.

A mask that Label Studio files under the key points of the context (its mixed results) is on the page now and goes
first. Nothing is decoded here: `CorrectableRegion.decode` does it, when a click is to be compared with that region.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.draft_prompts import newest_draft, saved_at
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.label_studio.results import (
    LabeledRegion,
    Result,
    join_labels,
    kind_of_region,
    label_of,
    objects_of,
    parse_regions,
    results_of,
    value_of,
)
from backend.values import Size

SHAPE_KEYS = {"brush": "rle", "bitmask": "imageDataURL", "polygon": "points"}


@dataclass(frozen=True)
class CorrectableRegion:
    """A mask on the page, not decoded yet; `results` are all with its id: the mask, its label, its choices."""

    region_id: str
    label: str
    drawn_size: Size
    results: tuple[Result, ...]
    mask_name: Hashable = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Name the mask by what it is made of, not by an id that somebody may reuse; here, so that a click need not."""
        size = self.drawn_size.width, self.drawn_size.height
        object.__setattr__(self, "mask_name", (size, *(_name(shape) for _, shape in shapes_of(self.results))))

    def decode(self, config: ImageConfig) -> LabeledRegion:
        """Raises `BadRegion` where the mask is damaged."""
        return parse_regions(self.results, config)[0]


def shapes_of(results: Sequence[Result]) -> Iterator[tuple[str, Any]]:
    """Kind and shape of each result that has one; classes and texts of a region repeat its mask and are left out."""
    for result in results:
        kind = kind_of_region(result)
        if kind and (kind in SHAPE_KEYS or str(result.get("type")).endswith("labels")):
            yield kind, value_of(result).get(SHAPE_KEYS.get(kind, "rle"))


def find_correctable(
    prompts: Sequence[LabeledPrompt], context: Sequence[Result], document: Mapping[str, Any], config: ImageConfig
) -> tuple[CorrectableRegion, ...]:
    """The regions that clicks may correct, newest first: of their labels and of the size they were drawn on.

    A prompt that is only a box starts anew, so it has none.
    """
    wanted = {(prompt.label, prompt.drawn_size) for prompt in prompts if prompt.prompt.point_coords}
    if not wanted:
        return ()
    found = _collect(join_labels(context), wanted, config)
    known = {region.region_id for region in found}
    for source in _sources(document):
        regions = [region for region in _collect(join_labels(source), wanted, config) if region.region_id not in known]
        found += regions
        if regions:
            break
    return tuple(found)


def _sources(document: Mapping[str, Any]) -> list[list[Result]]:
    draft = newest_draft(document)
    if draft is not None:
        return [results_of(draft)]
    if any(True for _ in objects_of(document.get("annotations"))):
        return []
    predictions = sorted(objects_of(document.get("predictions")), key=saved_at)
    return [results_of(prediction) for prediction in predictions[-1:]]


def _collect(results: Sequence[Result], wanted: set[tuple[str, Size]], config: ImageConfig) -> list[CorrectableRegion]:
    bare = any(control.labels_name == "" for control in config.answers)
    labels = {label for label, _ in wanted if bare or any(label in control.label_names for control in config.answers)}
    masks = {
        str(result["id"]): (label, size)
        for result in results
        if (label := label_of(result) or "") in labels and _has_mask(result, config)
        if (size := _size(result)) and (label, size) in wanted
    }
    groups: dict[str, list[Result]] = {region_id: [] for region_id in masks}
    for result in results:
        group = groups.get(str(result.get("id")))
        if group is not None:
            group.append(result)
    return [CorrectableRegion(key, *masks[key], tuple(group)) for key, group in reversed(groups.items())]


def _has_mask(result: Result, config: ImageConfig) -> bool:
    """A shape that is a mask, or one that Label Studio files under the control of a prompt."""
    if result.get("id") is None or result.get("to_name") != config.name:
        return False
    kind, value = kind_of_region(result), value_of(result)
    if kind in SHAPE_KEYS:
        return SHAPE_KEYS[kind] in value
    return "rle" in value and kind != "" and str(result.get("type")).endswith("labels")


def _size(result: Result) -> Size | None:
    width, height = result.get("original_width"), result.get("original_height")
    return Size(width, height) if type(width) is int and type(height) is int and min(width, height) > 0 else None


def _name(shape: object) -> Hashable:
    """Of a text a number of 64 bits, which Python keeps with it, and its length; a digest of anything else."""
    if isinstance(shape, str):
        return hash(shape), len(shape)
    try:
        raw = bytes(shape) if isinstance(shape, list) else repr(shape).encode()
    except (TypeError, ValueError):
        raw = repr(shape).encode()
    return hashlib.blake2b(raw, digest_size=16).digest()
