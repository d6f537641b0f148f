"""Requests and answers in words, fit for a log line, the status page and an HTTP reason phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.label_studio.config import SHAPES
from backend.label_studio.requests import ClassifyImage, Click, FindText, PredictRequest, SegmentAll
from backend.label_studio.results import kind_of_region

SHOWN_CHARACTERS = 600  # of anything that came from outside, in answers, log and status page
REASON_CHARACTERS = 400  # of a reason phrase; nginx as it comes has room for 4,096 with all other headers
_ASCII = str.maketrans({"…": "...", "→": "->", "×": "x", "“": '"', "”": '"', "’": "'"})


def one_line(text: str) -> str:
    """What a client sent, fit for a log: one line, no control characters, not long."""
    printable = "".join(character if character.isprintable() else "?" for character in text[:SHOWN_CHARACTERS])
    return printable if len(text) <= SHOWN_CHARACTERS else f"{printable}…"


def reason_phrase(message: str, remedy: str) -> str:
    """The refusal as one ASCII line of bounded length; a long message is cut before the remedy is.

    Label Studio's dialog shows the line as HTML and takes unknown tags away, so tags are escaped.
    """
    as_ascii = [
        text.translate(_ASCII).encode("ascii", "replace").decode().replace("<", "&lt;").replace(">", "&gt;")
        for text in (message, remedy[: REASON_CHARACTERS // 2])
    ]
    room = max(REASON_CHARACTERS - len(as_ascii[1]) - 1, 0)
    said = as_ascii[0] if len(as_ascii[0]) <= room else f"{as_ascii[0][: max(room - 3, 0)]}..."
    return f"{said} {as_ascii[1]}"[:REASON_CHARACTERS]


def request_in_words(parsed: PredictRequest) -> str:
    """Which task of which project, and what was asked: "project 3, task 7, 2 points"."""
    count = f"task {parsed.tasks[0].task_id}" if len(parsed.tasks) == 1 else f"{len(parsed.tasks)} tasks"
    return one_line(f"project {parsed.project_id or '?'}, {count}, {_prompt_in_words(parsed)}")


def answer_in_words(results: Sequence[Any]) -> str:
    """What was said to one task or to several: "1 mask"; `results` as Label Studio gets them."""
    if len(results) > 1:
        return f"{sum(map(bool, results))} of them answered"
    found = results[0]["result"] if results and results[0] else []
    masks = len({result["id"] for result in found if kind_of_region(result) in SHAPES})
    return _count(masks, "mask") or ("a class of the image" if found else "nothing")


def _prompt_in_words(parsed: PredictRequest) -> str:
    match parsed.request:
        case None:
            return "prompts taken back"
        case Click(prompts=prompts):
            points = sum(len(prompt.prompt.point_coords) for prompt in prompts)
            boxes = sum(prompt.prompt.box_xyxy is not None for prompt in prompts)
            return " and ".join(word for word in (_count(points, "point"), _count(boxes, "box")) if word)
        case FindText(texts=texts):
            return " and ".join(f'text "{text}"' for text in texts)
        case SegmentAll():
            return "all masks"
        case ClassifyImage():
            return "no prompt"


def _count(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("x") else f"{what}s"
    return f"{number} {what if number == 1 else plural}" if number else ""
