"""Masks that wait for the tick while a click asks for something else.

Every answer replaces all suggestions on the page, a refusal too. Label Studio sends boxes or points, never both, so a
click with the key point does not show the boxes whose masks wait. What the request shows of the newest answer decides,
here for points:

| the newest answer                                               | a refusal repeats | another answer repeats  |
|-----------------------------------------------------------------|-------------------|-------------------------|
| is to points of the request: it waits                           | all of it         | what waited beside it   |
| is to boxes alone with the click's label; a draft has them all  | all of it         | all of it               |
| is to boxes alone with the click's label; no draft has them yet | all of it         | nothing                 |
| is to points alone with the click's label, which are gone, and  | nothing           | nothing                 |
| corrects no remembered mask                                     |                   |                         |
| is to anything else, and a background click was refused         | all of it         |                         |
| is to anything else, or a newer draft has its masks             | nothing           | nothing                 |

A request with boxes alone shows all boxes with its label on the page. So an answer to others with its label is gone and
is never repeated; a refusal (see `box_on_nothing`) repeats one to points alone with its label, which it does not show.

Answers are remembered for a minute; nothing of older ones is repeated. Points with the click's label that are not in
the request were ticked, crossed or undone. Of boxes only a draft tells, which Label Studio saves five seconds after a
change: one without them proves that they were ticked or crossed, and `recent_masks` drops their answer. One with them
shows that they waited some seconds before. If they were ticked since, their masks are repeated under their ids and
replace themselves; if they were crossed since, they come back as suggestions. A picked label goes to all suggestions
with the tick, so masks of another label are never repeated beside a new one.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.geometry import distance_to_mask, mask_iou
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import Click, Request
from backend.label_studio.results import LabeledRegion, Result, ids_of
from backend.predict.answer_memory import AnswerMemory
from backend.predict.clicks import is_background
from backend.predict.remembered_answer import RememberedAnswer, decode_remembered

REPLACED_IOU = 0.5  # of a waiting mask with one of the answer, which takes its place


def masks_to_keep(request: Request, memory: AnswerMemory) -> list[Result]:
    """Return the results of the newest answer that a refusal of the request repeats."""
    if not isinstance(request, Click) or not memory.recalled:
        return []
    newest, page = memory.recalled[0], memory.page
    if newest.is_pending(page):
        return list(newest.results)
    if newest.is_in_newer_draft(page) or _is_gone(newest, request):
        return []
    is_kept = all(is_background(prompt.prompt) for prompt in request.prompts) or _is_unseen(newest, request)
    return list(newest.results) if is_kept else []


def masks_to_repeat(
    request: Request,
    regions: Sequence[LabeledRegion],
    results: Sequence[Result],
    memory: AnswerMemory,
    config: ImageConfig,
) -> list[Result]:
    """Return the results of the waiting masks that an answer repeats.

    These are the masks that were answered together with one that it corrects, and those that wait beside it.

    Args:
        regions: Of the answer.
        results: Of the answer.
    """
    together = memory.other_masks(results)
    known = ids_of([*results, *together])
    beside = _masks_beside(request, regions, memory, config)
    return [*together, *(result for result in beside if str(result.get("id")) not in known)]


def _masks_beside(
    request: Request, regions: Sequence[LabeledRegion], memory: AnswerMemory, config: ImageConfig
) -> list[Result]:
    """Return the results of the masks that wait beside an answer, without those that it replaces.

    It replaces a mask under a positive point, and one that is nearly the same as one of its own.
    """
    if not isinstance(request, Click) or not memory.recalled or not regions:
        return []
    newest, page = memory.recalled[0], memory.page
    results: Sequence[Result] = ()
    if newest.is_pending(page):
        results = [result for result in newest.base if str(result.get("id")) not in page.draft_ids]
    elif not _has_boxes_alone(request) and _is_unseen(newest, request) and newest.prompt_ids <= page.draft_ids:
        results = () if newest.is_in_newer_draft(page) else newest.results
    waiting = decode_remembered(results, config)
    kept = {one.region_id for one in waiting if not _is_replaced(one, regions, request)}
    return [result for result in results if str(result.get("id")) in kept]


def _has_boxes_alone(click: Click) -> bool:
    """Whether Label Studio sent boxes: with points each prompt has some."""
    return not any(one.prompt.point_coords for one in click.prompts)


def _is_unseen(answer: RememberedAnswer, click: Click) -> bool:
    """Whether the answer is to prompts of the other kind alone, which the request does not show, with its label."""
    if _has_boxes_alone(click):
        is_other_kind = not any(one.prompt.box_xyxy for one in answer.prompts)
    else:
        is_other_kind = all(one.prompt.box_xyxy and not one.prompt.point_coords for one in answer.prompts)
    return is_other_kind and {one.label for one in answer.prompts} == {one.label for one in click.prompts}


def _is_gone(answer: RememberedAnswer, click: Click) -> bool:
    """Whether an answer that is not pending is to prompts of the click's kind and label, which the request has all of.

    An answer to points that is made of other masks may have taken parts from the masks of boxes.
    """
    is_like = {one.label for one in answer.prompts} <= {one.label for one in click.prompts}
    has_boxes = any(one.prompt.box_xyxy for one in answer.prompts)
    return is_like and (has_boxes if _has_boxes_alone(click) else not has_boxes and not answer.base)


def _is_replaced(waiting: LabeledRegion, regions: Sequence[LabeledRegion], click: Click) -> bool:
    if any(waiting.region_id == region.region_id for region in regions):
        return True
    points = (
        point
        for one in click.prompts
        for point, label in zip(one.prompt.point_coords, one.prompt.point_labels, strict=True)
        if label == 1
    )
    if any(distance_to_mask(waiting.mask, point, 0.0) == 0 for point in points):
        return True
    same_size = (region.mask for region in regions if region.mask.shape == waiting.mask.shape)
    return any(mask_iou(waiting.mask, mask) >= REPLACED_IOU for mask in same_size)
