"""The last answer made a little larger or smaller, for the commands "tighter" and "looser".

The last answer is the newest of these:

1. what `LastAnswers` holds of the task, if the request does not disprove it: masks of clicks or of a typed text,
2. the newest region on the page, if no points or boxes are waiting for their answer to be accepted.

A remembered region that was accepted is in the next draft. A person may have painted on it since, so the draft's mask
counts, unless the draft still shows what the remembered one replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt
from backend.geometry import Point, enlarge_logits, mask_iou, resize_mask
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import PageState, ResizeLast
from backend.label_studio.results import LabeledRegion
from backend.predict.remembered_answer import RememberedAnswer, decode_remembered
from backend.runtime import NO_DEADLINE, Deadline
from backend.values import Mask, Prompt

SAME_MASK_IOU = 0.9  # of a mask with SAM's logits at some level
NOTHING_REMEDY = "Click an object and type it again within a minute, or accept the mask first."


@dataclass(frozen=True)
class MasksToResize:
    """The masks of the last answer, with what they answer.

    Attributes:
        regions: At least one.
        clicks: XY of the clicks that the masks answer, in pixels.
        prompts: What each region answers; () if that is not known.
        on_page: Those of the regions that were taken as the draft shows them.
    """

    regions: tuple[LabeledRegion, ...]
    clicks: tuple[Point, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    on_page: tuple[LabeledRegion, ...] = ()


def find_last(
    request: ResizeLast,
    remembered: Sequence[RememberedAnswer],
    accepted: Sequence[LabeledRegion],
    page: PageState,
    config: ImageConfig,
) -> MasksToResize:
    """Find the last answer.

    Args:
        remembered: Newest first, without those that the request disproves.
        accepted: The regions on the page, oldest first.

    Raises:
        BadPrompt: There is none.
    """
    if remembered:
        return _of_remembered(remembered[0], accepted, page, config)
    if accepted and not request.has_prompts:
        return MasksToResize(tuple(accepted[-1:]), on_page=tuple(accepted[-1:]))
    raise BadPrompt("There is no mask to change.", remedy=NOTHING_REMEDY)


def resize_last(
    labeler: ImageLabeler, encoded: EncodedImage, last: MasksToResize, *, grows: bool, deadline: Deadline = NO_DEADLINE
) -> tuple[LabeledRegion, ...]:
    """Resize the regions; those that cannot change any further stay as they are.

    The pixels that change are those of which SAM is the least sure, or those at the border of a mask that is no answer
    of SAM. On 70 answers of tuning scenes whose area was wrong by 3 % or more, a step in the right direction raised the
    mean IoU from 0.897 to 0.912 by SAM's logits and to 0.907 by the distance from the border.

    Raises:
        BadPrompt: No region can change any further.
    """
    masks = []
    for place, region in enumerate(last.regions):
        deadline.raise_if_over()
        levels = _levels(labeler, encoded, last.prompts[place], region.mask) if last.prompts else None
        masks.append(resize_mask(region.mask, grows=grows, keep=last.clicks, levels=levels))
    if not any(mask is not None for mask in masks):
        message = "The mask cannot get any larger." if grows else "The mask cannot get any smaller."
        raise BadPrompt(message, remedy=f'Type "{"tighter" if grows else "looser"}" to go back.')
    return tuple(
        region if mask is None else replace(region, mask=mask, clicks=last.clicks)
        for region, mask in zip(last.regions, masks, strict=True)
    )


def describe_change(before: Sequence[LabeledRegion], after: Sequence[LabeledRegion]) -> str:
    """Describe a step in words: "5 % smaller."."""
    old, new = (sum(int(np.count_nonzero(region.mask)) for region in regions) for regions in (before, after))
    percent = round(100 * abs(new - old) / max(old, 1))
    return f"{percent or 'less than 1'} % {'larger' if new > old else 'smaller'}."


def _of_remembered(
    answer: RememberedAnswer, accepted: Sequence[LabeledRegion], page: PageState, config: ImageConfig
) -> MasksToResize:
    """Return a remembered answer, with the masks of the draft where a person may have changed them since."""
    regions = answer.regions(config)
    if not regions:
        raise BadPrompt("The last answer has too many masks to change.", remedy=NOTHING_REMEDY)
    clicks = tuple(at for one in answer.prompts for at in one.prompt.point_coords)
    is_newer_than_draft = page.draft == answer.page.draft or bool(answer.prompt_ids & page.draft_ids)
    shown = {} if is_newer_than_draft else {region.region_id: region for region in accepted}
    replaced = {region.region_id: region.mask for region in decode_remembered(answer.base, config)}
    on_page = {
        region.region_id: shown[region.region_id]
        for region in regions
        if region.region_id in shown
        if not _is_same(replaced.get(region.region_id), shown[region.region_id].mask)
    }
    current = tuple(on_page.get(region.region_id, region) for region in regions)
    prompts = tuple(one.prompt for one in answer.prompts)
    known = prompts if len(prompts) == len(current) else ()  # SAM may have found nothing for one of them
    return MasksToResize(current, clicks, known, tuple(on_page.values()))


def _is_same(one: Mask | None, other: Mask) -> bool:
    return one is not None and np.array_equal(one, other)


def _levels(labeler: ImageLabeler, encoded: EncodedImage, prompt: Prompt, mask: Mask) -> NDArray[np.float32] | None:
    """Return SAM's logits for a prompt, (H, W); None if at no level they give the mask."""
    logits = labeler.segment(encoded, prompt)[0].low_res_logits
    if logits is None:
        return None
    embedding = encoded.embedding
    levels = enlarge_logits(logits[0], embedding.input_size, embedding.original_size)
    area = int(np.count_nonzero(mask))
    level = np.partition(levels.ravel(), -area)[-area]
    return levels if mask_iou(levels >= level, mask) >= SAME_MASK_IOU else None
