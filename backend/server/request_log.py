"""Request log: an id for each request, and on completion a log line, metrics and an entry in the recent requests.

The state of the current request is in `flask.g`: `request_id`, `started` (monotonic seconds), `summary` (the request in
words), `fields` (the same for a log collector), `problem` (its error message, or ""), `stages` (how long each stage
took), `connection` and `body_was_read`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
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

_MIN_SHOWN_MILLISECONDS = 0.5  # of a stage in the log's text; JSON has them all


def add_request_log(app: Flask, metrics: Metrics, recent: RecentRequests) -> None:
    """Register the log of every request."""

    @app.before_request
    def begin() -> None:
        g.request_id, g.started, g.problem = (
            choose_request_id(request.headers.get("X-Request-ID", "")),
            time.monotonic(),
            "",
        )
        g.summary, g.connection, g.body_was_read = one_line(request.path), Connection(request.environ), False
        g.fields, g.stages = {}, StageRecord()
        set_request_id(g.request_id)
        start_record(g.stages)

    @app.after_request
    def end(response: Response) -> Response:
        if not g.body_was_read and (request.content_length or "Transfer-Encoding" in request.headers):
            g.connection.stop_reading()
        seconds, endpoint = time.monotonic() - g.started, request.endpoint or "unknown"
        record = RequestRecord(time.time(), g.request_id, g.summary, response.status_code, seconds, g.problem)
        by_stage = g.stages.seconds
        _count(metrics, record, endpoint, by_stage)
        recent.add(record, endpoint)
        _log_request(record, endpoint, by_stage)
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


def _count(metrics: Metrics, record: RequestRecord, endpoint: str, by_stage: Mapping[str, float]) -> None:
    metrics.add_request(endpoint, record.status, record.seconds)
    metrics.add_stages(by_stage)
    source = g.stages.embedding_source
    if source and record.status == HTTPStatus.OK and g.fields.get("prompt") in CLICK_KINDS:
        metrics.add_click(source, record.seconds)


def _log_request(record: RequestRecord, route: str, seconds_by_stage: Mapping[str, float]) -> None:
    level = logging.INFO if route == "predict" or record.problem else logging.DEBUG
    if not log.isEnabledFor(level):
        return
    by_stage = {stage: round(seconds * 1000, 1) for stage, seconds in seconds_by_stage.items()}
    fields: dict[str, Any] = {
        "route": route,
        "status": record.status,
        "milliseconds": round(record.seconds * 1000, 1),
        **g.fields,
        "cache": g.stages.embedding_source,
        "stages": by_stage,
    }
    words = ", ".join(f"{stage} {spent:.0f}" for stage, spent in by_stage.items() if spent >= _MIN_SHOWN_MILLISECONDS)
    detail = f" ({words})" if words else ""
    log.log(level, "%s: %d in %.0f ms%s", record.summary, record.status, record.seconds * 1000, detail, extra=fields)
