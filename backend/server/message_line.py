"""The message line of a labeling page: answers and refusals in words, where the project has a line for them.

A person on the page sees nothing of a refused request: Label Studio drops the body of every error reply. Where the line
exists, a refusal is therefore answered with HTTP 200 and a message. The log, the status page and the metrics still
count it with the status of its error (`g.refusal_status`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import g

from backend.label_studio.config import MessageLine, find_message_line
from backend.label_studio.requests import PredictBody
from backend.label_studio.results import add_message, join_remedy
from backend.projects import ProjectSettings

_CLIENT_DISCONNECTED = 499


def note_message_line(body: PredictBody, settings: ProjectSettings) -> MessageLine | None:
    """Find the line of an interactive request and keep it for the rest of the request, in which it may be refused.

    A request without a context has none: Label Studio stores what it is answered with.
    """
    g.message_line = None
    if body.context is not None:
        g.message_line = find_message_line(body.config, settings.messages, body.prompted_images)
    return g.message_line


def build_refusal(
    message: str, remedy: str, http_status: int, document: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Build the body that shows a refusal on the page, and note its status; None if the request has no line.

    Args:
        document: Prediction that is shown as well.
    """
    line: MessageLine | None = g.get("message_line")
    if line is None or http_status == _CLIENT_DISCONNECTED:
        return None
    g.refusal_status = http_status
    return {"results": [add_message(document, line, join_remedy(message, remedy), "")]}
