"""Error replies: `{"error": …, "remedy": …, "request_id": …}`, the same for every route.

Where a labeling page has a message line, the reply is a message in it instead (see `message_line`). The text is also in
the log, on the status page and, as one line, in the HTTP reason phrase, which is all that Label Studio shows of a
refused /setup. Tracebacks go to the log only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from backend.errors import BackendError, TryAgain
from backend.predict import document_to_keep
from backend.server.http_status import http_status_of
from backend.server.json_response import json_response
from backend.server.log_text import one_line, reason_phrase
from backend.server.message_line import build_refusal
from backend.server.refusal_reports import RefusalReports
from backend.server.request_body import body_too_large
from backend.server.request_log import report_problem

log = logging.getLogger(__name__)

_REFUSED = (401, 429)  # reported at a limited rate, like everything that callers without credentials cause
_REFUSALS = "refusal_reports"


def add_error_replies(app: Flask) -> None:
    """Register a reply for every exception that leaves a route."""
    app.extensions[_REFUSALS] = RefusalReports()
    app.register_error_handler(BackendError, _reply_to_backend_error)
    app.register_error_handler(RequestEntityTooLarge, _reply_to_large_body)
    app.register_error_handler(HTTPException, _reply_to_http_exception)
    app.register_error_handler(Exception, _reply_to_bug)


def _reply_to_backend_error(error: BackendError) -> Response:
    response = _reply(error.message, error.remedy, http_status_of(error), document_to_keep(error))
    if isinstance(error, TryAgain):
        response.headers["Retry-After"] = str(error.retry_seconds)
    return response


def _reply_to_large_body(_: RequestEntityTooLarge) -> Response:
    return _reply_to_backend_error(body_too_large(request.content_length, current_app.config["MAX_CONTENT_LENGTH"]))


def _reply_to_http_exception(error: HTTPException) -> Response:
    """Reply to what Flask itself refuses, such as an unknown route or method."""
    routes = sorted(
        {rule.rule for rule in current_app.url_map.iter_rules() if rule.endpoint not in ("static", "favicon")}
    )
    message = f"{request.method} {request.path}: {error.description}"
    return _reply(message, f"The routes are {', '.join(routes)}.", error.code or 500)


def _reply_to_bug(error: Exception) -> Response:
    log.exception("Unhandled exception in %s %s", request.method, request.path)
    message = f"Internal error: {type(error).__name__}."
    return _reply(message, f"Look for {g.request_id} in the backend's log and report it.", 500)


def _reply(message: str, remedy: str, http_status: int, document: Mapping[str, Any] | None = None) -> Response:
    message, remedy = one_line(message), one_line(remedy)
    if http_status in _REFUSED or not g.get("is_known_caller"):
        current_app.extensions[_REFUSALS].add(message)
    else:
        report_problem(f"{message} {remedy}")
    if (shown := build_refusal(message, remedy, http_status, document)) is not None:
        return json_response(shown)
    response = json_response({"error": message, "remedy": remedy, "request_id": g.request_id}, http_status)
    response.status = f"{http_status} {reason_phrase(message, remedy)}"
    return response
