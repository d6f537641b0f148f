"""Corrections of a mask that was accepted a moment ago, before Label Studio has saved it in a draft.

Label Studio reports neither that an answer was accepted nor that it was rejected. What the next request shows decides:

| the request has                                             | a remembered answer                                |
|-------------------------------------------------------------|----------------------------------------------------|
| some of its prompts                                         | is still pending; what it corrects is corrected on |
| its region in a newer draft                                 | is left to the draft                               |
| a newer draft with neither its region nor its prompts       | was rejected or deleted; dropped                   |
| other annotations than before                               | was submitted, or another person works; dropped    |
| a draft of another user, or none where there was one before | belongs to another person; dropped                 |
| no draft, and there was none when it was answered           | counts for `UNPROVEN_SECONDS`, if no other mask is |
|                                                             | remembered: two people may have opened the task    |
| none of these                                               | may be corrected by points on or beside it         |

After that `clicks` decides: a positive point on the mask shows that it was rejected, and of a point beside it SAM may
be sure that it means another object.

An answer replaces all suggestions on the page. So the answer that corrects one of several masks repeats the others
under their ids: pending ones stay on the page, and accepted ones are replaced by themselves. If they are not
remembered any more, the boxes in the draft that wait with the click's are answered anew. `waiting_masks` says what any
other answer repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import Click, CorrectableRegion, PageState, find_recent
from backend.label_studio.results import Result
from backend.predict.remembered_answer import RememberedAnswer

UNPROVEN_SECONDS = 10.0  # Label Studio saves a draft within this time of the first click


@dataclass(frozen=True)
class RecentMasks:
    """Masks that were answered together, some of which a click may correct.

    Attributes:
        results: Of all of them.
        correctable: Those that the click may correct, the last one first.
    """

    results: tuple[Result, ...]
    correctable: tuple[CorrectableRegion, ...]


def still_possible(
    answers: Sequence[RememberedAnswer], page: PageState, now: float, *, may_be_of_others: bool = False
) -> tuple[RememberedAnswer, ...]:
    """Return the answers that the request does not disprove; see the table above.

    Args:
        may_be_of_others: Whether another person's count, too, who opened the task at the same time.
    """
    is_only_mask = may_be_of_others or len({answer.region_ids for answer in answers}) == 1
    return tuple(answer for answer in answers if _is_possible(answer, page, now, is_only_mask=is_only_mask))


def find_correctable_masks(
    click: Click, answers: Sequence[RememberedAnswer], page: PageState, config: ImageConfig
) -> tuple[RecentMasks, ...]:
    """Find the masks that a click may correct among those of remembered answers that no newer draft has.

    Args:
        answers: Those that the request does not disprove, newest first.
    """
    found = []
    for answer in answers:
        if answer.is_in_newer_draft(page):
            continue
        is_pending = answer.is_pending(page)
        results = answer.base if is_pending else answer.results
        correctable = find_recent(click.prompts, results, config, may_be_rejected=not is_pending)
        if correctable:
            found.append(RecentMasks(results, correctable))
    return tuple(found)


def _is_possible(answer: RememberedAnswer, page: PageState, now: float, *, is_only_mask: bool) -> bool:
    if answer.is_pending(page):
        return True
    if page.annotations != answer.page.annotations:
        return False
    if not page.draft:
        return is_only_mask and not answer.page.draft and now - answer.answered_at < UNPROVEN_SECONDS
    if answer.page.user and answer.page.user != page.user:
        return False
    if answer.region_ids & page.draft_ids or answer.prompt_ids & page.draft_ids:
        return True
    return page.draft == answer.page.draft
