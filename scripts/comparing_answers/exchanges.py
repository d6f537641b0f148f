"""What was asked and what was answered, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = Any


NO_ANSWER = -1  # the status where the connection ended without one


class CouldNotRun(Exception):
    """Nothing can be said of the answers: a program did not start, a folder is no checkout."""


@dataclass(frozen=True)
class Answer:
    """What came back: `body` is JSON as Python has it, a text for anything else.

    Of a command `status` is its exit status, and `reason` and `content_type` are empty.
    """

    status: int
    body: Json = None
    reason: str = ""
    content_type: str = ""


@dataclass(frozen=True)
class Exchange:
    """One request, or one command, and its answer.

    Attributes:
        number: From 1 on.
        kind: What it is an example of: "click", "box", "refused: broken JSON".
        request: "POST /predict".
        sent: The JSON that was sent; None where there was none.
        warmed: Whether the opened pictures were made ready behind the page; None where no page was opened.
    """

    number: int
    kind: str
    request: str
    sent: Json
    answer: Answer
    warmed: bool | None = None


@dataclass(frozen=True)
class Difference:
    """One place where the two sides disagree.

    Attributes:
        where: "request 12".
        path: Leads to the place in the answer: "$.body.results[0].score".
    """

    where: str
    kind: str
    path: str
    before: Json
    after: Json

    def __str__(self) -> str:
        return (
            f"{self.where} ({self.kind}) {self.path}\n    before: {show(self.before)}\n     after: {show(self.after)}"
        )


def show(value: Json, most: int = 300) -> str:
    """A value for a person, not longer than that."""
    text = value if isinstance(value, Words) else repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Words(str):
    """Said about a value instead of the value itself; shown without quotes."""
