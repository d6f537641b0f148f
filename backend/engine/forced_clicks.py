"""Answers that agree with the clicks of a person: from the second click on, and where a mask is corrected.

SAM's first answer is never changed. Later ones are revised as low-resolution logits (`geometry.follow_clicks`), before
they become masks, so that it costs next to nothing; what clicks closer than a cell still need is drawn in pixels.
A mask on the page changes at the clicks only, unless it is a rough one; what was painted on it by hand always does.
An answer of SAM's changes at the click only if SAM has become less sure of its border and, from the third click on, if
the new answer is another object.
Everything depends on the image and the clicks alone, so every replica gives the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.geometry import (
    Click,
    change_at_cell,
    change_at_clicks,
    clicks_that_count,
    follow_clicks,
    hold_clicks,
    mask_iou,
    parts_at,
    parts_at_clicks,
    pixel_of,
    stability_of,
)
from backend.values import Candidate, Mask, Prompt, ReviseLogits

INERTIA = 0.5  # logit by which SAM must be sure to change an earlier answer; see docs/demo_models.md
ROUGH_IOU = 0.92  # with the answer, below which a mask is rough: painted, or a poor prediction
OTHER_IOU = 0.8  # with the answer, below which the answer is another object, or the object with its surroundings
LESS_STABLE = 0.03  # stability that SAM's logits lose by a click if its answer is probably worse away from the click
PART_REACH = 1 / 128  # of the image's longer side: how far from a click a part of the change may be
DISC_SHARE = 1 / 320  # of the image's longer side: radius of the disc around a click that the logits cannot follow


def clicks_of(prompt: Prompt) -> list[Click]:
    """Return the points of a prompt with their labels."""
    return [(x, y, label) for (x, y), label in zip(prompt.point_coords, prompt.point_labels, strict=True)]


def revise_by_clicks(clicks: Sequence[Click], before: NDArray[np.float32] | None) -> ReviseLogits | None:
    """Build what a segmenter does with its logits so that they agree with the clicks.

    Args:
        clicks: On the mask, in their order.
        before: float32 (1, M, M), the mask that they correct; None gives None.
    """
    if before is None:
        return None
    counting, earlier = clicks_that_count(clicks), before[0]
    return lambda logits, cells_per_pixel: follow_clicks(logits, earlier, counting, cells_per_pixel, INERTIA)


def revise_answer(
    clicks: Sequence[Click], before: NDArray[np.float32] | None, *, keep_object: bool
) -> ReviseLogits | None:
    """Build what a segmenter does with the logits of its answer to several clicks, the last of which corrects it.

    If SAM's new logits are less stable than those before, the answer counts at the last click only: SAM doubts what it
    changed elsewhere. A mask that the answer changes a lot is rough, and gets all of the answer.

    Args:
        clicks: All of the object, or its newest ones, in their order.
        before: float32 (1, M, M), the answer to all clicks but the last; None gives None, for a first click.
        keep_object: Whether an answer that has little of the mask before left counts at the last click only. The second
            click, or the first one in a box, often says that SAM took what came before for another object; after it
            SAM is seldom right to do so.
    """
    if before is None:
        return None
    counting, earlier = clicks_that_count(clicks), before[0]

    def revise(logits: NDArray[np.float32], cells_per_pixel: tuple[float, float]) -> NDArray[np.float32]:
        answer = follow_clicks(logits, earlier, counting, cells_per_pixel, INERTIA)
        overlap = mask_iou(answer > 0, earlier > 0)
        is_other = keep_object and overlap < OTHER_IOU
        is_doubtful = overlap >= ROUGH_IOU and stability_of(earlier) - stability_of(logits) > LESS_STABLE
        return change_at_cell(earlier, answer, clicks[-1], cells_per_pixel) if is_other or is_doubtful else answer

    return revise


def keep_elsewhere(candidate: Candidate, page: Mask, clicks: Sequence[Click]) -> Candidate:
    """Return the candidate with the mask on the page, changed at the clicks only.

    Elsewhere SAM would make a good mask a little worse, and the way over low-resolution logits blurs its border. A mask
    that the answer changes a lot is rough, and gets all of the answer, unless the answer has little of the mask left;
    but no part of it that is apart from the mask and has no click on it, such as a piece of another object.
    """
    if OTHER_IOU <= mask_iou(candidate.mask, page) < ROUGH_IOU:
        return replace(candidate, mask=parts_at(candidate.mask, page) | parts_at_clicks(candidate.mask, clicks))
    reach = round(PART_REACH * max(page.shape))
    return replace(candidate, mask=change_at_clicks(page, candidate.mask, clicks, reach))


def keep_painted(candidate: Candidate, page: Mask, painted: Mask, clicks: Sequence[Click]) -> Candidate:
    """Return the candidate with the painted pixels of the mask on the page, but for the change at a click on them.

    A person who paints on a mask is right about it, however rough the mask is elsewhere.

    Args:
        painted: bool (H, W), where strokes were painted or erased.
    """
    against = [click for click in clicks for x, y in [pixel_of(click, page.shape)] if page[y, x] != bool(click[2])]
    reach = round(PART_REACH * max(page.shape))
    local = change_at_clicks(page, candidate.mask, clicks, reach) if against else page
    clicked = parts_at_clicks(painted, against)
    return replace(candidate, mask=np.where(painted, np.where(clicked, local, page), candidate.mask))


def hold_in_pixels(candidate: Candidate, clicks: Sequence[Click]) -> Candidate:
    """Return the candidate with a mask that agrees with the clicks in every pixel; a later click wins within two."""
    mask = hold_clicks(candidate.mask, clicks, DISC_SHARE * max(candidate.mask.shape))
    return candidate if mask is candidate.mask else replace(candidate, mask=mask)
