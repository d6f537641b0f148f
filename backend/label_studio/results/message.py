"""The message line: what the backend says to the person on the page, as the result of a text area.

    {"id": "backend-message", "type": "textarea", "from_name": "message", "to_name": "image",
     "value": {"text": ["Nothing matches \"the red car\"."]}}

The page shows it at once, without the tick. The same id replaces the earlier text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.errors import shorten
from backend.label_studio.config import MessageLine
from backend.label_studio.results.build import build_prediction

MESSAGE_ID = "backend-message"
MAX_CHARACTERS = 120  # one line beside the panels of a page of 1500 pixels has 130
_MIN_PROBLEM = 40  # characters of a refusal's message that its remedy leaves


def build_message(line: MessageLine, text: str) -> dict[str, Any]:
    """Build the result that shows one line of text, shortened to fit; "" clears the line."""
    texts = [shorten(text, MAX_CHARACTERS)] if text else []
    value = {"text": texts}
    return {"id": MESSAGE_ID, "type": "textarea", "from_name": line.name, "to_name": line.to_name, "value": value}


def add_message(document: Mapping[str, Any] | None, line: MessageLine, text: str, model_version: str) -> dict[str, Any]:
    """Return a prediction with a message as its last result.

    Args:
        document: None for an answer without regions and choices.
        text: One line; "" clears what the page shows.
    """
    document = document or build_prediction([], model_version, None)
    return {**document, "result": [*document["result"], build_message(line, text)]}


def join_remedy(message: str, remedy: str) -> str:
    """Join what is wrong and what to do to one line that fits; a long message is cut before the remedy is."""
    shown = shorten(message, max(MAX_CHARACTERS - len(remedy) - 1, _MIN_PROBLEM))
    return shorten(f"{shown} {remedy}", MAX_CHARACTERS)
