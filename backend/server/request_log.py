"""Request log: an id for each request, and on completion a log line, metrics and an entry in the recent requests.

The state of the current request is in `flask.g`: `request_id`, `started` (monotonic seconds), `summary` (the request in
words), `problem` (its error message, or "") and `connection`.
"""

from __future__ import annotations

import logging
import time
import uuid

from flask import Flask, Response, g, request

from backend.server.client_socket import Connection
from backend.server.log_text import one_line
from backend.server.metrics import Metrics
from backend.server.recent_requests import RecentRequests, RequestRecord

log = logging.getLogger(__name__)


def add_request_log(app: Flask, metrics: Metrics, recent: RecentRequests) -> None:
    """Register the log of every request."""

    @app.before_request
    def begin() -> None:
        g.request_id, g.started, g.problem = uuid.uuid4().hex[:12], time.monotonic(), ""
        g.summary, g.connection = one_line(request.path), Connection(request.environ)

    @app.after_request
    def end(response: Response) -> Response:
        seconds, endpoint = time.monotonic() - g.started, request.endpoint or "unknown"
        record = RequestRecord(time.time(), g.request_id, g.summary, response.status_code, seconds, g.problem)
        metrics.add_request(endpoint, record.status, seconds)
        recent.add(record, endpoint)
        level = logging.INFO if endpoint == "predict" or g.problem else logging.DEBUG
        log.log(level, "[%s] %s: %d in %.0f ms", g.request_id, g.summary, record.status, seconds * 1000)
        response.headers["X-Request-ID"] = g.request_id
        return response


def report_problem(problem: str) -> None:
    """Log what is wrong with the current request, or with part of it, and show it on the status page."""
    g.problem = one_line(problem)
    log.warning("[%s] %s", g.request_id, g.problem)
