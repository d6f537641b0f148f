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
from dataclasses import replace
from typing import Any

from backend.images import SourceImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import (
    Click,
    CorrectableRegion,
    FindEverything,
    FindLike,
    FindText,
    PageState,
    Request,
    ResizeLast,
    TaskImage,
    find_recent,
)
from backend.label_studio.results import Result
from backend.predict.last_answers import MAX_DOCUMENT_BYTES, AnswerPlace, LastAnswers, place_of
from backend.predict.remembered_answer import RememberedAnswer, encode_answers

UNPROVEN_SECONDS = 10.0  # Label Studio saves a draft within this time of the first click


class AnswerMemory:
    """What is remembered of one task's image during one request.

    Args:
        answers: The store.
        page: State of the page; None for a request that Label Studio sent by itself, for which nothing is remembered.
    """

    def __init__(self, answers: LastAnswers, page: PageState | None) -> None:
        self._answers, self._page = answers, page
        self._place: AnswerPlace | None = None
        self._before: tuple[RememberedAnswer, ...] = ()
        self._sources: list[tuple[Result, ...]] = []
        self.recalled: tuple[RememberedAnswer, ...] = ()
        self._changed: RememberedAnswer | None = None
        self._on_page: tuple[Result, ...] = ()

    def recall(self, image: TaskImage, source: SourceImage) -> tuple[RememberedAnswer, ...]:
        """Return the last answers that the person who clicked may have accepted or still see, newest first."""
        self._place = place_of(image, self._page, source)
        if self._page is None or self._place is None:
            return ()
        self._before = self._answers.recall(self._place, self._page.prompt_ids)
        return still_possible(self._before, self._page, self._answers.now())

    def add_recent(
        self, click: Click, image: TaskImage, source: SourceImage, config: ImageConfig, *, corrects: bool
    ) -> Click:
        """Return the click with the remembered masks among those that it may correct.

        Where there are none, the boxes that wait with its own become prompts: their masks would be lost.

        Args:
            corrects: Whether the project wants that; if not, nothing is remembered.
        """
        recalled = self.recall(image, source)
        everything = replace(click, prompts=(*click.prompts, *click.waiting), waiting=())
        if self._page is None or not corrects or not recalled:
            return everything
        self.recalled = recalled
        regions: list[CorrectableRegion] = []
        for answer in recalled:
            masks, may_be_rejected = _masks_of(answer, self._page)
            found = find_recent(click.prompts, masks, config, may_be_rejected=may_be_rejected)
            if found:
                regions += found
                self._sources.append(masks)
        return replace(click, correctable=(*regions, *click.correctable)) if regions else everything

    def other_masks(self, results: Sequence[Result]) -> list[dict[str, Any]]:
        """Return the results of the remembered masks that were answered together with one that these results correct.

        Args:
            results: The answer to the click that `add_recent` was called with.
        """
        known = _ids(results)
        others: list[dict[str, Any]] = []
        for source in self._sources_of(results):
            others += [dict(result) for result in source if str(result.get("id")) not in known]
            known |= _ids(source)
        return others

    def remember(self, click: Click, results: Sequence[Result]) -> None:
        """Remember the answer to a click."""
        base: list[Result] = []
        for source in self._sources_of(results):
            known = _ids(base)
            base += [result for result in source if str(result.get("id")) not in known]
        self._remember_clicked(click, results, base)

    def remember_repeated(self, boxes: Click, results: Sequence[Result]) -> None:
        """Remember masks that a refused click repeats; a next click may take a part from each."""
        self._remember_clicked(boxes, results, results)

    def _remember_clicked(self, click: Click, results: Sequence[Result], base: Sequence[Result]) -> None:
        if self._page is None or self._place is None or not results or not self._page.prompt_ids:
            return
        page = replace(self._page, project_key="", draft_ids=frozenset(), prompt_ids=frozenset())
        answer = RememberedAnswer(
            tuple(results), click.prompts, self._page.prompt_ids, tuple(base), page, self._answers.now()
        )
        self._answers.remember(self._place, answer, self._before)

    @property
    def page(self) -> PageState:
        return self._page or PageState()

    def recall_all(self, image: TaskImage, source: SourceImage) -> None:
        """Set `recalled` to what `recall` returns and the last answers to typed texts and commands, newest first."""
        clicked, typed = self.recall(image, source), self._typed_place()
        if typed is None:
            return
        found = [one for one in self._answers.recall(typed) if one.page.annotations == self.page.annotations]
        own = [answer for answer in found if answer.page.user in ("", self.page.user)]
        self.recalled = tuple(sorted((*clicked, *own), key=lambda answer: -answer.answered_at))

    @property
    def clicked(self) -> tuple[RememberedAnswer, ...]:
        """Those of `recalled` that answer clicks, newest first."""
        return tuple(answer for answer in self.recalled if answer.prompt_ids)

    def remember_answer(self, request: Request, results: Sequence[Result]) -> None:
        """Remember an answer that a person sees as a suggestion."""
        match request:
            case Click():
                self.remember(request, results)
            case ResizeLast():
                self._remember_change(results)
            case FindText() | FindEverything() | FindLike():
                self._remember_typed(results)

    def note_change(self, answer: RememberedAnswer | None, on_page: Sequence[Result]) -> None:
        """Note what the answer to `ResizeLast` replaces.

        Args:
            answer: The remembered answer that is changed; None for a region on the page.
            on_page: The results of the regions as the page's draft shows them, if they were taken from there.
        """
        self._changed, self._on_page = answer, tuple(on_page)

    def _remember_change(self, results: Sequence[Result]) -> None:
        """Remember the answer to a command that changes the last answer."""
        old = self._changed
        if old is None or not old.prompt_ids or self._place is None:
            self._remember_typed(results, (*(old.base if old else ()), *self._on_page))
            return
        base, now = (*old.base, *self._on_page), self._answers.now()
        changed = replace(old, results=tuple(results), base=base, answered_at=now)
        self._answers.remember(self._place, changed, self._before)

    def _remember_typed(self, results: Sequence[Result], base: Sequence[Result] = ()) -> None:
        """Remember the answer to a typed text or command; without its masks if they are too large for Redis.

        Args:
            base: The results of the regions on the page that it replaces.
        """
        place = self._typed_place()
        if self._page is None or place is None or not results:
            return
        page = replace(self._page, project_key="", draft_ids=frozenset(), prompt_ids=frozenset())
        answer = RememberedAnswer(tuple(results), (), frozenset(), tuple(base), page, self._answers.now())
        if len(encode_answers([answer])) > MAX_DOCUMENT_BYTES:
            answer = replace(answer, results=(), base=())
        self._answers.remember(place, answer)

    def locate(self, image: TaskImage, source: SourceImage) -> None:
        """Say which image the request is for, where `recall` is not needed."""
        self._place = place_of(image, self._page, source)

    def _sources_of(self, results: Sequence[Result]) -> list[tuple[Result, ...]]:
        """Return what is remembered of the masks that an answer corrects, newest first."""
        ids = _ids(results)
        return [source for source in self._sources if ids & _ids(source)]

    def _typed_place(self) -> AnswerPlace | None:
        return None if self._place is None else replace(self._place, is_typed=True)


def still_possible(answers: Sequence[RememberedAnswer], page: PageState, now: float) -> tuple[RememberedAnswer, ...]:
    """Return the answers that the request does not disprove; see the table above."""
    is_only_mask = len({answer.region_ids for answer in answers}) == 1
    return tuple(answer for answer in answers if _is_possible(answer, page, now, is_only_mask=is_only_mask))


def _is_possible(answer: RememberedAnswer, page: PageState, now: float, *, is_only_mask: bool) -> bool:
    if answer.prompt_ids & page.prompt_ids:
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


def _masks_of(answer: RememberedAnswer, page: PageState) -> tuple[tuple[Result, ...], bool]:
    """Return the results of an answer's masks that a click may correct, and whether they may have been rejected.

    There are none if a newer draft has them.
    """
    is_pending = bool(answer.prompt_ids & page.prompt_ids)
    if answer.is_in_newer_draft(page):
        return (), False
    return (answer.base if is_pending else answer.results), not is_pending


def _ids(results: Sequence[Result]) -> set[str]:
    return {str(result.get("id")) for result in results}
