"""Masks that a click may correct: regions of the task with the label that was picked for the click.

They are brushes, bitmasks and polygons. A rectangle or an ellipse only approximates the mask it was made from, and that
mask is lost.

The regions come from the first of these sources that has any, newest first, because each is a snapshot of the whole
page:

1. the newest draft, which is the page of the annotator who clicked, as it was some seconds ago;
2. the newest prediction, if the task has no annotation yet: Label Studio copies it into a new annotation.

Saved annotations are never used: the payload does not say who clicked, and the work of another annotator must not
influence an annotation that should be independent. An annotator who reopens their own annotation has a draft of it as
soon as Label Studio saves the first change.

A mask that Label Studio stores under the keypoint control of the context (its mixed results) is on the page now and
comes first. Masks are not decoded here: `CorrectableRegion.decode` decodes one when a click is compared with it.

Label Studio saves a draft up to ten seconds after a mask was accepted. For that time the backend remembers its answers;
`find_recent` makes correctable regions of them.

A label restricts the regions: a click with a label corrects masks with that label. A click without one, which a plain
control allows, corrects any. So do background clicks alone, which can mean nothing but a mask: a label that somebody
has just changed is not in the draft yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.draft_prompts import newest_draft, saved_at
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.label_studio.results import (
    LabeledRegion,
    Result,
    drawn_size_of,
    has_strokes,
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
    """Mask on the page, not decoded yet.

    Attributes:
        results: All results with the region's id: its mask, its label, its choices.
        is_recent: Whether it is a remembered answer that no draft shows yet.
        may_be_rejected: Whether nothing but the next click can tell if such an answer was accepted.
        mask_name: Hashable name of the mask: its content and size.
    """

    region_id: str
    label: str
    drawn_size: Size
    results: tuple[Result, ...]
    is_recent: bool = False
    may_be_rejected: bool = False
    mask_name: Hashable = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Compute `mask_name` from the content, because ids can be reused; once here, not with every click."""
        size = self.drawn_size.width, self.drawn_size.height
        shapes = (_name(shape) for _, shape in shapes_of(self.results))
        object.__setattr__(self, "mask_name", (size, *shapes, *(_name(value["touches"]) for value in self._painted)))

    @property
    def has_strokes(self) -> bool:
        """Whether a person has painted on it since Label Studio has saved its mask."""
        return bool(self._painted)

    @property
    def _painted(self) -> list[Mapping[str, Any]]:
        values = [value_of(result) for result in self.results if kind_of_region(result) == "brush"]
        return [value for value in values if has_strokes(value)]

    def is_meant_by(self, prompt: LabeledPrompt) -> bool:
        """Whether a prompt may correct it: one with points, with its label or with none, on an image of its size."""
        has_label = prompt.label in ("", self.label)
        return has_label and prompt.drawn_size == self.drawn_size and bool(prompt.prompt.point_coords)

    def decode(self, config: ImageConfig) -> LabeledRegion:
        """Decode the mask. Raises `BadRegion` if it is damaged."""
        return parse_regions(self.results, config)[0]


def shapes_of(results: Sequence[Result]) -> Iterator[tuple[str, Any]]:
    """Yield kind and shape of each result with a shape. Classes and texts of a region repeat its shape; skip them."""
    for result in results:
        kind = kind_of_region(result)
        if kind and (kind in SHAPE_KEYS or str(result.get("type")).endswith("labels")):
            yield kind, value_of(result).get(SHAPE_KEYS.get(kind, "rle"))


def find_correctable(
    prompts: Sequence[LabeledPrompt], context: Sequence[Result], document: Mapping[str, Any], config: ImageConfig
) -> tuple[CorrectableRegion, ...]:
    """Return the regions that the prompts may correct, newest first: those with the label and image size of a prompt.

    A prompt without a label, or with background points alone, may correct regions with any label or none. A prompt that
    is only a box asks for a new mask, so it has no correctable regions.
    """
    wanted = _wanted(prompts)
    if not wanted:
        return ()
    on_page = _collect(join_labels(context), wanted, config)
    known = {region.region_id for region in on_page}
    for source in _sources(document):
        saved = [region for region in _collect(join_labels(source), wanted, config) if region.region_id not in known]
        if saved:
            return (*on_page, *saved)
    return tuple(on_page)


def find_recent(
    prompts: Sequence[LabeledPrompt], results: Sequence[Result], config: ImageConfig, *, may_be_rejected: bool
) -> tuple[CorrectableRegion, ...]:
    """Return the regions of remembered results that the prompts may correct, the last one first."""
    wanted = _wanted(prompts)
    regions = _collect(join_labels(results), wanted, config) if wanted else []
    return tuple(replace(region, is_recent=True, may_be_rejected=may_be_rejected) for region in regions)


def _wanted(prompts: Sequence[LabeledPrompt]) -> set[tuple[str, Size]]:
    """Return label and image size of each prompt with points; the label "" stands for every label."""
    return {
        (prompt.label if any(prompt.prompt.point_labels) else "", prompt.drawn_size)
        for prompt in prompts
        if prompt.prompt.point_coords
    }


def _sources(document: Mapping[str, Any]) -> list[list[Result]]:
    """Return the results of the draft, or those of the prediction, that the page was made from."""
    draft = newest_draft(document)
    if draft is not None:
        return [results_of(draft)]
    if any(True for _ in objects_of(document.get("annotations"))):
        return []
    predictions = sorted(objects_of(document.get("predictions")), key=saved_at)
    return [results_of(prediction) for prediction in predictions[-1:]]


def _collect(results: Sequence[Result], wanted: set[tuple[str, Size]], config: ImageConfig) -> list[CorrectableRegion]:
    plain = any(control.labels_name == "" for control in config.answers)
    labels, matches_all = {label for label, _ in wanted}, any(label == "" for label, _ in wanted)
    masks = {
        str(result["id"]): (label, size)
        for result in results
        if (label := label_of(result) or "") in labels or matches_all
        if _has_mask(result, config) and (size := drawn_size_of(result))
        if (label, size) in wanted or ("", size) in wanted
        if plain or label == "" or config.has_label(label)
    }
    groups: dict[str, list[Result]] = {region_id: [] for region_id in masks}
    for result in results:
        group = groups.get(str(result.get("id")))
        if group is not None:
            group.append(result)
    return [CorrectableRegion(key, *masks[key], tuple(group)) for key, group in reversed(groups.items())]


def _has_mask(result: Result, config: ImageConfig) -> bool:
    """Whether a result is a mask, also one that Label Studio stores under the control of a prompt."""
    if result.get("id") is None or result.get("to_name") != config.name:
        return False
    kind, value = kind_of_region(result), value_of(result)
    if kind in SHAPE_KEYS:
        return SHAPE_KEYS[kind] in value or (kind == "brush" and has_strokes(value))
    return "rle" in value and kind != "" and str(result.get("type")).endswith("labels")


def _name(shape: object) -> Hashable:
    """Return hash and length of a string, whose 64-bit hash Python caches; a digest of any other shape."""
    if isinstance(shape, str):
        return hash(shape), len(shape)
    try:
        raw = bytes(shape) if isinstance(shape, list) else repr(shape).encode()
    except (TypeError, ValueError):
        raw = repr(shape).encode()
    return hashlib.blake2b(raw, digest_size=16).digest()
