"""Request log: an id for each request, and on completion a log line, metrics and an entry in the recent requests.

The state of the current request is in `flask.g`: `request_id`, `started` (monotonic seconds), `summary` (the request in
words), `fields` (the same for a log collector), `problem` (its error message, or ""), `stages` (how long each stage
took), `connection`, and for a refusal that is answered in words with HTTP 200 `refusal_status`, its error's status.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, request

from backend.logs import choose_request_id, set_request_id
from backend.runtime import StageRecord, start_record
from backend.server.client_socket import Connection
from backend.server.log_text import CLICK_KINDS, one_line
from backend.server.metrics import Metrics
from backend.server.recent_requests import RecentRequests, RequestRecord

log = logging.getLogger(__name__)


def add_request_log(app: Flask, metrics: Metrics, recent: RecentRequests) -> None:
    """Register the log of every request."""

    @app.before_request
    def begin() -> None:
        g.request_id = choose_request_id(request.environ.get("HTTP_X_REQUEST_ID", ""))
        g.started, g.summary, g.problem = time.monotonic(), _path_in_words(), ""
        g.connection = Connection(request.environ)
        g.fields, g.stages = {}, StageRecord()
        set_request_id(g.request_id)
        start_record(g.stages)

    @app.after_request
    def end(response: Response) -> Response:
        seconds, endpoint = time.monotonic() - g.started, request.endpoint or "unknown"
        status = g.get("refusal_status", response.status_code)
        record = RequestRecord(time.time(), g.request_id, g.summary, status, seconds, g.problem, **_kind_of(g.fields))
        _count(metrics, record, endpoint, g.stages)
        if not _asks_for_a_login(record, endpoint):
            recent.add(record, endpoint)
        _log_request(record, endpoint, g.stages)
        response.headers["X-Request-ID"] = g.request_id
        return response

    @app.teardown_request
    def forget(_: BaseException | None) -> None:
        set_request_id("")
        start_record(None)


def report_problem(problem: str) -> None:
    """Log what is wrong with the current request, or with part of it, and show it on the status page."""
    g.problem = one_line(problem)
    log.warning("%s", g.problem)


def _kind_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request was about, as `RequestRecord` has it; nothing if it could not be parsed."""
    prompt = fields.get("prompt", "")
    return {
        "project": fields.get("project", ""),
        "task": fields.get("task"),
        "prompt": "click" if prompt in CLICK_KINDS else prompt,
    }


def _asks_for_a_login(record: RequestRecord, endpoint: str) -> bool:
    """Whether this is a browser's first request for the status page, which tells it that a password is needed."""
    return endpoint == "index" and record.status == HTTPStatus.UNAUTHORIZED and "Authorization" not in request.headers


def _path_in_words() -> str:
    """Return the path of the request; that of a route without parameters is the route itself."""
    is_known = request.url_rule is not None and not request.url_rule.arguments
    return request.path if is_known else one_line(request.path)


def _count(metrics: Metrics, record: RequestRecord, endpoint: str, stages: StageRecord) -> None:
    metrics.add_request(endpoint, record.status, record.seconds)
    metrics.add_stages(stages.seconds)
    is_answered_click = record.status == HTTPStatus.OK and g.fields.get("prompt") in CLICK_KINDS
    if is_answered_click and stages.embedding_source:
        metrics.add_click(stages.embedding_source, record.seconds)


def _log_request(record: RequestRecord, route: str, stages: StageRecord) -> None:
    is_prediction = route == "predict" and g.get("is_known_caller", True)  # strangers must not fill the log
    level = logging.INFO if is_prediction or record.problem else logging.DEBUG
    if log.isEnabledFor(level):
        fields = partial(_build_fields, record, route, g.fields, stages)  # called only by the formatter for JSON
        duration = f"{record.seconds * 1000:.0f} ms{_stages_in_words(stages)}"
        log.log(level, "%s: %d in %s", record.summary, record.status, duration, extra={"fields": fields})


def _build_fields(
    record: RequestRecord, route: str, about: Mapping[str, Any], stages: StageRecord
) -> Mapping[str, Any]:
    """Build the fields of a request for a log collector; `stages` in milliseconds."""
    return {
        "route": route,
        "status": record.status,
        "milliseconds": round(record.seconds * 1000, 1),
        **about,
        "cache": stages.embedding_source,
        "stages": {stage: round(seconds * 1000, 1) for stage, seconds in stages.seconds.items()} or None,
    }


def _stages_in_words(stages: StageRecord) -> str:
    """Describe the stages that took a millisecond or so, for example " (fetch 12, sam 8)"."""
    long_ones = [f"{stage} {seconds * 1000:.0f}" for stage, seconds in stages.seconds.items() if seconds >= 0.0005]
    return f" ({', '.join(long_ones)})" if long_ones else ""
