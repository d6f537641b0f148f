"""One-line descriptions of requests and replies, for the log, the status page and the HTTP reason phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.label_studio.config import SHAPES
from backend.label_studio.requests import (
    ClassifyImage,
    Click,
    FindEverything,
    FindLike,
    FindText,
    PredictRequest,
    Request,
    ResizeLast,
    SegmentAll,
    ShowHelp,
)
from backend.label_studio.results import kind_of_region
from backend.safe_text import show

MAX_SHOWN_CHARACTERS = 600  # of any text from outside in replies, log and status page
MAX_REASON_CHARACTERS = 600  # nginx's default limit is 4,096 for all headers
CLICK_KINDS = ("points", "boxes", "points and boxes")
PROMPT_KINDS = ("none", *CLICK_KINDS, "text", "command", "all masks", "image class")
_ASCII = str.maketrans({"…": "...", "→": "->", "×": "x", "“": '"', "”": '"', "’": "'"})


def one_line(text: str) -> str:
    """Make text from outside safe to show (`safe_text.show`), with the limit of this room."""
    return show(text, MAX_SHOWN_CHARACTERS)


def reason_phrase(message: str, remedy: str) -> str:
    """Build the HTTP reason phrase of an error: one ASCII line; a long message is cut before the remedy is.

    Label Studio's dialog renders the line as HTML and drops unknown tags, so tags are escaped.
    """
    as_ascii = [
        text.translate(_ASCII).encode("ascii", "replace").decode().replace("<", "&lt;").replace(">", "&gt;")
        for text in (message, remedy[: MAX_REASON_CHARACTERS // 2])
    ]
    room = max(MAX_REASON_CHARACTERS - len(as_ascii[1]) - 1, 0)
    shown = as_ascii[0] if len(as_ascii[0]) <= room else f"{as_ascii[0][: max(room - 3, 0)]}..."
    return f"{shown} {as_ascii[1]}"[:MAX_REASON_CHARACTERS]


def request_in_words(parsed: PredictRequest) -> str:
    """Describe a request, for example "project 3, task 7, 2 points"."""
    count = f"task {parsed.tasks[0].task_id}" if len(parsed.tasks) == 1 else f"{len(parsed.tasks)} tasks"
    return one_line(f"project {parsed.project_id or '?'}, {count}, {_prompt_in_words(parsed)}")


def fields_of(parsed: PredictRequest) -> dict[str, Any]:
    """Return what a request is about, for `logs`, which makes it safe: project, task or number of tasks, prompt."""
    is_one = len(parsed.tasks) == 1
    task = {"task": parsed.tasks[0].task_id} if is_one else {"tasks": len(parsed.tasks)}
    return {"project": parsed.project_id, **task, "prompt": prompt_kind(parsed.request)}


def prompt_kind(request: Request | None) -> str:
    """Return one of `PROMPT_KINDS`."""
    match request:
        case Click(prompts=prompts):
            points = any(prompt.prompt.point_coords for prompt in prompts)
            boxes = any(prompt.prompt.box_xyxy is not None for prompt in prompts)
            return "points and boxes" if points and boxes else "boxes" if boxes else "points"
        case FindText():
            return "text"
        case FindEverything() | FindLike() | ResizeLast() | ShowHelp():
            return "command"
        case SegmentAll():
            return "all masks"
        case ClassifyImage():
            return "image class"
    return "none"


def answer_in_words(results: Sequence[Any]) -> str:
    """Describe the reply to one or several tasks, for example "1 mask"; `results` is Label Studio's JSON."""
    if len(results) > 1:
        return f"{sum(map(bool, results))} answered"
    regions = results[0]["result"] if results and results[0] else []
    regions = [result for result in regions if result["type"] != "textarea"]
    masks = len({result["id"] for result in regions if kind_of_region(result) in SHAPES})
    return _count(masks, "mask") or ("an image class" if regions else "nothing")


def _prompt_in_words(parsed: PredictRequest) -> str:
    match parsed.request:
        case None:
            return "no prompts"
        case Click(prompts=prompts):
            points = sum(len(prompt.prompt.point_coords) for prompt in prompts)
            boxes = sum(prompt.prompt.box_xyxy is not None for prompt in prompts)
            return " and ".join(word for word in (_count(points, "point"), _count(boxes, "box")) if word)
        case FindText(texts=texts):
            return " and ".join(f'text "{text}"' for text in texts)
        case FindEverything():
            return "everything"
        case FindLike():
            return "like this"
        case ResizeLast(grows=grows):
            return "looser" if grows else "tighter"
        case ShowHelp():
            return "help"
        case SegmentAll():
            return "all masks"
        case ClassifyImage():
            return "no prompt"


def _count(number: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("x") else f"{what}s"
    return f"{number} {what if number == 1 else plural}" if number else ""
