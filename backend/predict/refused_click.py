"""Masks that stay on the page when a click is refused.

Every answer replaces all suggestions on the page, a refusal too. A click beside all masks would thus take them away
before they are accepted. So the refusal repeats the last answer, if the person may still see it; see `waiting_masks`.
Where nothing is remembered, the masks of boxes that wait by the draft are made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from backend.errors import BackendError, BadPrompt
from backend.label_studio.requests import Click, Request
from backend.label_studio.results import Result, build_prediction
from backend.predict.answer_memory import AnswerMemory
from backend.predict.waiting_masks import masks_to_keep


class RefusedClick(BadPrompt):
    """Click that is refused while masks wait for the tick.

    Args:
        results: Of these masks.
    """

    def __init__(self, message: str, *, remedy: str, results: Sequence[Result] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.results = [dict(result) for result in results]


@contextmanager
def keeping_masks(
    request: Request, memory: AnswerMemory, make_anew: Callable[[Click], Sequence[Result]]
) -> Iterator[None]:
    """Answer a request; a click that is refused while masks may wait for the tick raises `RefusedClick` with them.

    Args:
        make_anew: Answers the boxes of a draft.
    """
    try:
        yield
    except BadPrompt as refusal:
        kept = masks_to_keep(request, memory)
        if isinstance(request, Click) and request.beside and not memory.recalled:
            with suppress(BadPrompt):  # the boxes are on nothing, too
                kept = list(make_anew(Click(request.beside)))
                memory.remember_clicked(request.beside, kept, base=kept)  # a next click may take a part from each
        if not kept:
            raise
        raise RefusedClick(refusal.message, remedy=refusal.remedy, results=kept) from refusal


def document_to_keep(error: BackendError) -> Mapping[str, Any] | None:
    """Return the prediction that a refusal shows beside its message; None for a message alone."""
    return build_prediction(error.results, "", None) if isinstance(error, RefusedClick) else None
