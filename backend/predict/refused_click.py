"""Masks that stay on the page when a background click is refused.

Every answer replaces all suggestions on the page, a refusal too. A background click beside all masks would thus take
them away before they are accepted. So the refusal repeats the last answer, if the person may still see it.
Only background clicks do so: there is no reason to make one after the red cross.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from backend.errors import BackendError, BadPrompt
from backend.label_studio.requests import Click, Request
from backend.label_studio.results import Result, build_prediction
from backend.predict.clicks import is_background
from backend.predict.recent_masks import AnswerMemory


class RefusedClick(BadPrompt):
    """Click that is refused while masks wait for the tick.

    Args:
        results: Of these masks.
    """

    def __init__(self, message: str, *, remedy: str, results: Sequence[Result] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.results = [dict(result) for result in results]


@contextmanager
def keeping_masks(request: Request, memory: AnswerMemory) -> Iterator[None]:
    """Answer a request; a background click that is refused raises `RefusedClick` with the masks of the last answer."""
    try:
        yield
    except BadPrompt as refusal:
        kept = memory.last_masks() if _takes_away(request) else []
        if not kept:
            raise
        raise RefusedClick(refusal.message, remedy=refusal.remedy, results=kept) from refusal


def _takes_away(request: Request) -> bool:
    return isinstance(request, Click) and all(is_background(prompt.prompt) for prompt in request.prompts)


def document_to_keep(error: BackendError) -> Mapping[str, Any] | None:
    """Return the prediction that a refusal shows beside its message; None for a message alone."""
    return build_prediction(error.results, "", None) if isinstance(error, RefusedClick) else None
