"""What is remembered of a task's image at the time of a request, and how the answer to the request is remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import (
    Click,
    FindEverything,
    FindLike,
    FindText,
    LabeledPrompt,
    PageState,
    Request,
    ResizeLast,
)
from backend.label_studio.results import Result, ids_of
from backend.predict.last_answers import MAX_DOCUMENT_BYTES, AnswerPlace, LastAnswers
from backend.predict.recent_masks import RecentMasks, find_correctable_masks, still_possible
from backend.predict.remembered_answer import RememberedAnswer, encode_answers
from backend.values import Prompt


@dataclass(frozen=True)
class AnswerMemory:
    """What is remembered of a task's image at the time of a request.

    Attributes:
        store: The last answers of each task.
        page: State of the page.
        place: Of the image in the store; None if nothing is remembered of it.
        stored: Answers to clicks that the store has, newest first.
        recalled: Last answers that the person may have accepted or still sees, newest first: to clicks, and for a
            text or command those to typed texts and commands, too.
        reusable: `recalled` for a text or command and, on a page that was never saved, answers to clicks of maybe
            another person, newest first.
        recent: Masks of them that the request, a click, may correct, newest first.
    """

    store: LastAnswers
    page: PageState
    place: AnswerPlace | None = None
    stored: tuple[RememberedAnswer, ...] = ()
    recalled: tuple[RememberedAnswer, ...] = ()
    reusable: tuple[RememberedAnswer, ...] = ()
    recent: tuple[RecentMasks, ...] = ()

    @property
    def clicked(self) -> tuple[RememberedAnswer, ...]:
        """Those of `recalled` that answer clicks, newest first."""
        return tuple(answer for answer in self.recalled if answer.prompt_ids)

    def complete(self, click: Click) -> Click:
        """Return the click with the remembered masks among those that it may correct.

        Where there are none, the boxes that wait with its own become prompts: their masks would be lost.
        """
        regions = [region for masks in self.recent for region in masks.correctable]
        if regions:
            return replace(click, correctable=(*regions, *click.correctable))
        return replace(click, prompts=(*click.prompts, *click.waiting), waiting=())

    def other_masks(self, results: Sequence[Result]) -> list[Result]:
        """Return the results of the remembered masks that were answered together with one that these results correct.

        Args:
            results: The answer to a click.
        """
        return self._merge_corrected(results, ids_of(results))

    def remember(
        self,
        request: Request,
        results: Sequence[Result],
        replaced: Sequence[Result] = (),
        chains: Mapping[str, Prompt] = MappingProxyType({}),
    ) -> None:
        """Remember an answer that a person sees as a suggestion.

        Args:
            replaced: The results of the regions of the page's draft that the answer to `ResizeLast` was made from.
            chains: See `RememberedAnswer`.
        """
        match request:
            case Click():
                self.remember_clicked(request.prompts, results, self._merge_corrected(results, set()), chains)
            case ResizeLast():
                self._remember_resized(results, replaced)
            case FindText() | FindEverything() | FindLike():
                self._remember_typed(results)

    def remember_clicked(
        self,
        prompts: Sequence[LabeledPrompt],
        results: Sequence[Result],
        base: Sequence[Result],
        chains: Mapping[str, Prompt] = MappingProxyType({}),
    ) -> None:
        """Remember the answer to prompts.

        Args:
            base: The results of the remembered masks that the next clicks may correct, while this answer is pending.
            chains: See `RememberedAnswer`.
        """
        if self.place is not None and results and self.page.prompt_ids:
            answer = self._build_answer(results, base, prompts, self.page.prompt_ids)
            self.store.remember(self.place, replace(answer, chains=chains), self.stored)

    def _remember_resized(self, results: Sequence[Result], replaced: Sequence[Result]) -> None:
        """Remember the last answer as changed by a command; it still answers the same prompts, if it had any."""
        last = self.recalled[0] if self.recalled else None
        base = (*(last.base if last else ()), *replaced)
        if self.place is None or last is None or not last.prompt_ids:
            self._remember_typed(results, base)
            return
        changed = replace(last, results=tuple(results), base=base, answered_at=self.store.now(), chains={})
        self.store.remember(self.place, changed, self.stored)

    def _remember_typed(self, results: Sequence[Result], base: Sequence[Result] = ()) -> None:
        """Remember the answer to a typed text or command; without its masks if they are too large for Redis."""
        if self.place is None or not results:
            return
        answer = self._build_answer(results, base)
        if len(encode_answers([answer])) > MAX_DOCUMENT_BYTES:
            answer = replace(answer, results=(), base=())
        self.store.remember(self.place.typed, answer)

    def _build_answer(
        self,
        results: Sequence[Result],
        base: Sequence[Result],
        prompts: Sequence[LabeledPrompt] = (),
        prompt_ids: frozenset[str] = frozenset(),
    ) -> RememberedAnswer:
        page = PageState(user=self.page.user, draft=self.page.draft, annotations=self.page.annotations)
        return RememberedAnswer(tuple(results), tuple(prompts), prompt_ids, tuple(base), page, self.store.now())

    def _merge_corrected(self, results: Sequence[Result], known: set[str]) -> list[Result]:
        """Return the results of the masks that were answered together with one that these correct, each id once.

        Args:
            known: Ids that are left out.
        """
        corrected, merged = ids_of(results), []
        for masks in self.recent:
            ids = ids_of(masks.results)
            if corrected & ids:
                merged += [result for result in masks.results if str(result.get("id")) not in known]
                known = known | ids
        return merged


def recall_answers(
    store: LastAnswers,
    request: Request,
    place: AnswerPlace | None,
    page: PageState | None,
    config: ImageConfig,
    *,
    corrects: bool,
) -> AnswerMemory:
    """Recall what a request needs of the last answers on an image.

    Args:
        place: See `last_answers.place_of`.
        page: State of the page; None for a request that Label Studio sent by itself.
        corrects: Whether the project lets clicks correct remembered masks.
    """
    if page is None or place is None:
        return AnswerMemory(store, page or PageState())
    memory = AnswerMemory(store, page, place)
    if not isinstance(request, Click | FindText | FindEverything | FindLike | ResizeLast):
        return memory
    stored = store.recall(place, page.prompt_ids)
    possible = still_possible(stored, page, store.now())
    if isinstance(request, Click):
        recalled = possible if corrects else ()
        recent = find_correctable_masks(request, recalled, page, config)
        return replace(memory, stored=stored, recalled=recalled, recent=recent)
    typed = [one for one in store.recall(place.typed) if one.page.annotations == page.annotations]
    own = [answer for answer in typed if answer.page.user in ("", page.user)]
    of_anybody = still_possible(stored, page, store.now(), may_be_of_others=True)
    return replace(
        memory, stored=stored, recalled=_newest_first(*possible, *own), reusable=_newest_first(*of_anybody, *own)
    )


def _newest_first(*answers: RememberedAnswer) -> tuple[RememberedAnswer, ...]:
    return tuple(sorted(answers, key=lambda answer: -answer.answered_at))
