"""A box and points together: the prompts of the other kind, which the context leaves out and the draft holds.

Label Studio sends key points or rectangles, never both; but it saves the page as a draft some seconds after each
change, and the task that comes with a click brings the drafts of the person who clicked (of no one else: its
`InteractiveMixin` asks for `user`). The newest draft is the page as it was some seconds ago.

What is pending there of the other kind belongs to the click when it has the same label and image size and lies with it:
the points in the box or within a tenth of its longer side. It is pending unless

* it is an ordinary region (see `leaks`) or was submitted,
* a mask or another answer of its label comes after it in the draft: it has been answered and the answer accepted,
* the draft holds a prompt of the click's own kind and label that the click's context, which holds all of them, has not:
  accepting or rejecting deletes all prompts, so this draft is from before, and nothing in it is pending.

What remains: whoever accepts an answer to a box and clicks on its object before the next draft gets the box with the
click, which is the object that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.errors import BadPrompt, BadRequest
from backend.geometry import distance_to_box
from backend.label_studio.config import SHAPES, ImageConfig
from backend.label_studio.requests.ordinary_regions import is_ordinary, submitted_ids
from backend.label_studio.requests.prompts import LabeledPrompt, parse_prompts
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
from backend.values import Box, Prompt

NEAR = 0.1  # of the box's longer side


def newest_draft(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The draft that was saved last; the times are ISO 8601 in UTC, so their order is that of their letters."""
    return max(objects_of(document.get("drafts")), key=saved_at, default=None)


def saved_at(document: Mapping[str, Any]) -> tuple[str, int]:
    """A key that sorts drafts, annotations or predictions by age, the last saved last."""
    number = document.get("id")
    return str(document.get("updated_at", "")), number if isinstance(number, int) else 0


def join_draft(
    prompts: Sequence[LabeledPrompt], context: Sequence[Result], document: Mapping[str, Any], config: ImageConfig
) -> tuple[LabeledPrompt, ...]:
    """The prompts, each with what the newest draft holds of the other kind for the same object.

    Args:
        prompts: Of the context.
        context: All results of the context, leaks too.
        document: The task, with its drafts and annotations.
    """
    draft = newest_draft(document)
    kinds = {prompt.prompt.box_xyxy is None for prompt in prompts}
    if draft is None or len(kinds) != 1:
        return tuple(prompts)
    pending = _pending(join_labels(results_of(draft)), prompts, context, document, config)
    if not pending:
        return tuple(prompts)
    if prompts[0].prompt.box_xyxy is None:
        return tuple(_with_box(prompt, pending) for prompt in prompts)
    return tuple(_with_points(prompts, pending))


def _pending(
    saved: Sequence[Result],
    prompts: Sequence[LabeledPrompt],
    context: Sequence[Result],
    document: Mapping[str, Any],
    config: ImageConfig,
) -> list[LabeledPrompt]:
    """What a draft's results hold of the other kind under the labels of the prompts and still without an answer."""
    own, other = (KEYPOINT, RECTANGLE) if prompts[0].prompt.box_xyxy is None else (RECTANGLE, KEYPOINT)
    labels = {prompt.label for prompt in prompts}
    known = ids_of(context)
    found: list[tuple[str, Result]] = []
    for result in saved:
        label, kind = label_of(result) or "", kind_of_region(result)
        if label not in labels or result.get("to_name", config.name) != config.name:
            continue
        if _is_answer(result):
            found = [(other_label, prompt) for other_label, prompt in found if other_label != label]
        elif is_ordinary(result, config, others_are_marked=True):
            continue
        elif kind == own and str(result.get("id")) not in known:
            return []
        elif kind == other:
            found.append((label, result))
    submitted = submitted_ids(ids_of([result for _, result in found]), document)
    return _parse([result for _, result in found if str(result.get("id")) not in submitted], config)


def _parse(results: Sequence[Result], config: ImageConfig) -> list[LabeledPrompt]:
    """Each result as a prompt of its own; a draft's broken ones are no reason to refuse a click."""
    prompts: list[LabeledPrompt] = []
    for result in results:
        try:
            prompts += parse_prompts([result], config)
        except (BadPrompt, BadRequest):
            continue
    return prompts


def _with_box(prompt: LabeledPrompt, pending: Sequence[LabeledPrompt]) -> LabeledPrompt:
    """Points and the newest box that all of them lie with."""
    for other in reversed(pending):
        box = other.prompt.box_xyxy
        if box and _is_alike(prompt, other) and all(_is_with(point, box) for point in prompt.prompt.point_coords):
            return replace(prompt, prompt=replace(prompt.prompt, box_xyxy=box))
    return prompt


def _with_points(prompts: Sequence[LabeledPrompt], pending: Sequence[LabeledPrompt]) -> list[LabeledPrompt]:
    """Boxes, each with the points that lie with it; a point goes to one box, the nearest, of equals the newest."""
    points: dict[int, list[Prompt]] = {}
    for other in pending:
        point = other.prompt.point_coords[0]
        places = [
            (distance_to_box(point, box), -index)
            for index, prompt in enumerate(prompts)
            if (box := prompt.prompt.box_xyxy) and _is_alike(prompt, other) and _is_with(point, box)
        ]
        if places:
            points.setdefault(-min(places)[1], []).append(other.prompt)
    return [_add_points(prompt, points.get(index, ())) for index, prompt in enumerate(prompts)]


def _add_points(prompt: LabeledPrompt, points: Sequence[Prompt]) -> LabeledPrompt:
    coords = tuple(point.point_coords[0] for point in points)
    labels = tuple(point.point_labels[0] for point in points)
    return replace(prompt, prompt=replace(prompt.prompt, point_coords=coords, point_labels=labels))


def _is_alike(one: LabeledPrompt, other: LabeledPrompt) -> bool:
    return (one.label, one.drawn_size) == (other.label, other.drawn_size)


def _is_with(point: tuple[float, float], box_xyxy: Box) -> bool:
    longer_side = max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1])
    return distance_to_box(point, box_xyxy) <= NEAR * longer_side


def _is_answer(result: Result) -> bool:
    """A shape that can be no prompt: a mask, a polygon, an ellipse, a rectangle that this backend made."""
    kind = kind_of_region(result)
    is_shape = kind in SHAPES and kind != RECTANGLE
    return "rle" in value_of(result) or is_shape or (kind == RECTANGLE and is_own_id(result.get("id")))
