"""Combining a box with points: prompts of the other kind are missing in the context, but are in the draft.

Label Studio sends keypoints or rectangles, never both. However, it saves the page as a draft some seconds after each
change, and the task sent with a click includes the drafts of the annotator who clicked (only theirs: its
`InteractiveMixin` filters by `user`). The newest draft is the page as it was some seconds ago.

A pending prompt of the other kind belongs to the click if it has the same label or one of the two has none, if it has
the same image size, and if the points lie in the box or within a tenth of its longer side. The label counts that one of
them has. A prompt in the draft is pending unless

* it is an ordinary region (see `ordinary_regions`) or was submitted,
* a mask or another answer with its label follows it in the draft (any, if it has no label): the answer to it was
  accepted,
* the draft has a prompt of the click's kind and label that is missing in the click's context, which has all of them:
  accepting or rejecting deletes all prompts, so the draft is older than that and nothing in it is pending.

The other boxes in the draft that are pending wait for the same tick. The page shows the masks of the last answer only,
so that answer must have theirs, too.

Known limitation: if an annotator accepts the answer to a box and clicks on its object before the next draft is saved,
the box is combined with the click. Both mean the same object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.errors import BadPrompt, BadRequest
from backend.geometry import distance_to_box
from backend.label_studio.config import SHAPES, ImageConfig
from backend.label_studio.requests.ordinary_regions import is_ordinary, submitted_ids
from backend.label_studio.requests.prompts import MAX_PROMPTS, LabeledPrompt, parse_prompts
from backend.label_studio.results import (
    KEYPOINT,
    RECTANGLE,
    Result,
    ids_of,
    is_own_id,
    join_labels,
    kind_of_region,
    label_of,
    objects_of,
    results_of,
    value_of,
)
from backend.values import Box

MAX_DISTANCE = 0.1  # of a point from its box, as a fraction of the box's longer side


def newest_draft(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the draft that was saved last. The times are ISO 8601 in UTC, so they sort as strings."""
    return max(objects_of(document.get("drafts")), key=saved_at, default=None)


def saved_at(document: Mapping[str, Any]) -> tuple[str, int]:
    """Return a key that sorts drafts, annotations or predictions by the time they were saved."""
    number = document.get("id")
    return str(document.get("updated_at", "")), number if isinstance(number, int) else 0


@dataclass(frozen=True)
class DraftPrompts:
    """Prompts of a request, completed by those of a draft.

    Attributes:
        waiting: If points got a box, the other boxes that wait with it.
        beside: If no point got one, the boxes that may wait.
    """

    prompts: tuple[LabeledPrompt, ...]
    waiting: tuple[LabeledPrompt, ...] = ()
    beside: tuple[LabeledPrompt, ...] = ()


def add_draft_prompts(
    prompts: Sequence[LabeledPrompt], context: Sequence[Result], document: Mapping[str, Any], config: ImageConfig
) -> DraftPrompts:
    """Add to each prompt the prompts of the other kind that the newest draft has for the same object.

    Args:
        prompts: Prompts of the context.
        context: All results of the context, including ordinary regions.
        document: The task, with its drafts and annotations.
    """
    draft = newest_draft(document)
    kinds = {prompt.prompt.box_xyxy is None for prompt in prompts}
    if draft is None or len(kinds) != 1:
        return DraftPrompts(tuple(prompts))
    pending = _pending(join_labels(results_of(draft)), prompts, context, document, config)
    if not pending:
        return DraftPrompts(tuple(prompts))
    if prompts[0].prompt.box_xyxy is not None:
        return DraftPrompts(tuple(_with_points(prompts, pending)))
    together = tuple(_with_box(prompt, pending) for prompt in prompts)
    used = {prompt.prompt.box_xyxy for prompt in together} - {None}
    sizes = {prompt.drawn_size for prompt in together}
    others = tuple(other for other in pending if other.prompt.box_xyxy not in used and other.drawn_size in sizes)
    return DraftPrompts(together, waiting=others) if used else DraftPrompts(together, beside=others)


def _pending(
    saved: Sequence[Result],
    prompts: Sequence[LabeledPrompt],
    context: Sequence[Result],
    document: Mapping[str, Any],
    config: ImageConfig,
) -> list[LabeledPrompt]:
    """Return the draft's prompts of the other kind that may belong to `prompts` and have no answer yet, oldest first.

    Of more than `MAX_PROMPTS` the newest are returned.
    """
    kind, other_kind = (KEYPOINT, RECTANGLE) if prompts[0].prompt.box_xyxy is None else (RECTANGLE, KEYPOINT)
    labels = {prompt.label for prompt in prompts}
    known = ids_of(context)
    by_label: dict[str, list[tuple[int, Result]]] = {}
    for place, result in enumerate(saved):
        label, result_kind = label_of(result) or "", kind_of_region(result)
        if result.get("to_name", config.name) != config.name:
            continue
        if _is_answer(result):
            by_label |= {label: [], "": []}
        elif (label and not labels & {label, ""}) or is_ordinary(result, config, others_have_smart_key=True):
            continue
        elif result_kind == kind and label in labels and str(result.get("id")) not in known:
            return []
        elif result_kind == other_kind:
            by_label.setdefault(label, []).append((place, result))
    pending = sorted((entry for entries in by_label.values() for entry in entries), key=lambda entry: entry[0])
    submitted = submitted_ids(ids_of([result for _, result in pending]), document)
    left = [result for _, result in pending if str(result.get("id")) not in submitted]
    return _parse(left[-MAX_PROMPTS:], config)


def _parse(results: Sequence[Result], config: ImageConfig) -> list[LabeledPrompt]:
    """Parse each result as a separate prompt. Skip malformed ones: a damaged draft must not make a click fail."""
    prompts: list[LabeledPrompt] = []
    for result in results:
        try:
            prompts += parse_prompts([result], config)
        except (BadPrompt, BadRequest):
            continue
    return prompts


def _with_box(prompt: LabeledPrompt, pending: Sequence[LabeledPrompt]) -> LabeledPrompt:
    """Add the newest box that is near all points of the prompt."""
    for other in reversed(pending):
        box = other.prompt.box_xyxy
        if box and _is_alike(prompt, other) and all(_is_near(point, box) for point in prompt.prompt.point_coords):
            return replace(prompt, prompt=replace(prompt.prompt, box_xyxy=box), label=prompt.label or other.label)
    return prompt


def _with_points(prompts: Sequence[LabeledPrompt], pending: Sequence[LabeledPrompt]) -> list[LabeledPrompt]:
    """Add each point to the nearest box within `MAX_DISTANCE`, of equally near boxes to the newest."""
    points: dict[int, list[LabeledPrompt]] = {}
    for other in pending:
        point = other.prompt.point_coords[0]
        near_boxes = [
            (distance_to_box(point, box), -index)
            for index, prompt in enumerate(prompts)
            if (box := prompt.prompt.box_xyxy) and _is_alike(prompt, other) and _is_near(point, box)
        ]
        if near_boxes:
            points.setdefault(-min(near_boxes)[1], []).append(other)
    return [_add_points(prompt, points.get(index, ())) for index, prompt in enumerate(prompts)]


def _add_points(prompt: LabeledPrompt, points: Sequence[LabeledPrompt]) -> LabeledPrompt:
    coords = tuple(point.prompt.point_coords[0] for point in points)
    labels = tuple(point.prompt.point_labels[0] for point in points)
    label = next((one.label for one in (prompt, *points) if one.label), "")
    return replace(prompt, prompt=replace(prompt.prompt, point_coords=coords, point_labels=labels), label=label)


def _is_alike(one: LabeledPrompt, other: LabeledPrompt) -> bool:
    return one.drawn_size == other.drawn_size and (one.label == other.label or "" in (one.label, other.label))


def _is_near(point: tuple[float, float], box_xyxy: Box) -> bool:
    longer_side = max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1])
    return distance_to_box(point, box_xyxy) <= MAX_DISTANCE * longer_side


def _is_answer(result: Result) -> bool:
    """Whether a shape cannot be a prompt: a mask, a polygon, an ellipse, or a rectangle that this backend made."""
    kind = kind_of_region(result)
    is_shape = kind in SHAPES and kind != RECTANGLE
    return "rle" in value_of(result) or is_shape or (kind == RECTANGLE and is_own_id(result.get("id")))
