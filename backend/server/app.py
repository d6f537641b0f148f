"""create_app: Label Studio's ML backend protocol over HTTP. The only room that speaks HTTP status and uses Flask.

Every refused request is answered `{"error": …, "remedy": …, "request_id": …}`; the same text is in the log, on the
status page at `/` and, as one line, in the HTTP reason phrase, which is all that Label Studio shows, and only to the
person who saves the backend. No traceback leaves.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from backend.errors import BackendError, Overloaded
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_finished_task, parse_predict_body, parse_predict_request
from backend.projects import ProjectSetups
from backend.server.client_socket import Connection
from backend.server.health import describe_health
from backend.server.log_text import answer_in_words, one_line, reason_phrase, request_in_words
from backend.server.predict_replies import Loader, answer, look_ahead
from backend.server.request_body import body_broke_off, body_too_large, check_mimetype, parse_object, read_chunked
from backend.server.status_page import BackendStatus, ProjectFacts, RequestRecord

log = logging.getLogger(__name__)

LOADING_VERSION = "loading"


def create_app(
    loader: Loader,
    status: BackendStatus,
    *,
    max_body_bytes: int,
    most_predicting: int = 36,
    setups: ProjectSetups | None = None,
) -> Flask:
    """Build the WSGI application.

    Args:
        loader: Brings the predictor, what is to be said of it, and the warmer, when they are there.
        status: Counts requests and remembers errors.
        max_body_bytes: Larger bodies are answered 413.
        most_predicting: More predictions at once are answered 503, so that threads are left for `/health`.
        setups: Where the projects' settings are kept; without it, in this process.
    """
    app, setups = Flask(__name__), setups or ProjectSetups()
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    _add_bookkeeping(app, status)
    _add_error_answers(app, max_body_bytes)
    _add_state_routes(app, loader, status, setups)
    _add_protocol_routes(app, loader, setups, threading.BoundedSemaphore(most_predicting))
    return app


def _add_state_routes(app: Flask, loader: Loader, status: BackendStatus, setups: ProjectSetups) -> None:
    @app.get("/health")
    def health() -> Response:
        return _health(loader)

    @app.get("/")
    def index() -> Response:
        if "text/html" not in request.accept_mimetypes.values():
            return _health(loader)
        facts = loader.get()[1] if loader.ready else None
        problem = str(loader.error) if loader.error else "The models are still loading."
        projects = [
            ProjectFacts(one_line(project), setup.origin, setup.in_force, one_line(setup.complaint))
            for project, setup in setups.reports()
        ]
        return Response(status.page(facts, problem, projects), content_type="text/html; charset=utf-8")

    @app.get("/ready")
    def ready() -> Response:
        facts = loader.get()[1]
        return _json({"ready": True, "model_version": facts.model_version})

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(status.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/versions")
    def versions() -> Response:
        return _json({"versions": [loader.get()[1].model_version] if loader.ready else []})


def _add_protocol_routes(app: Flask, loader: Loader, setups: ProjectSetups, places: threading.BoundedSemaphore) -> None:
    @app.post("/setup")
    def setup() -> Response:
        body = _read_json()
        schema, origin = (value if isinstance(value := body.get(key), str) else "" for key in ("schema", "hostname"))
        setups.accept(_project(body), origin, schema, body.get("extra_params"))
        if loader.error is not None:
            raise loader.error
        return _json({"model_version": loader.get()[1].model_version if loader.ready else LOADING_VERSION})

    @app.post("/predict")
    def predict() -> Response:
        if not places.acquire(blocking=False):
            raise Overloaded(
                "As many predictions as there is room for are being read or answered.",
                remedy="Try again in a moment, or add a replica.",
            )
        try:
            document = _read_json()
            body = parse_predict_body(document)
            settings = setups.settings_for(_project(document), body.config.xml)
            parsed = parse_predict_request(body, settings.text_prompt)
            g.what = request_in_words(parsed)
            results = answer(parsed, loader, settings, _complain, g.connection.has_left)
            if len(parsed.tasks) == 1:  # several at once are no person's way through a project
                look_ahead(loader, parsed.project_id, parsed.tasks[0].task_id, parsed.config, settings)
            g.what = f"{g.what}: {answer_in_words(results)}"
            return _json({"results": results})
        finally:
            places.release()

    @app.post("/webhook")
    def webhook() -> Response:
        body = _read_json()
        g.what = one_line(f"webhook {body.get('action')}")
        done = parse_finished_task(body)
        if done is not None:
            with suppress(BackendError):  # a config that we cannot serve is said where somebody asks for a mask
                config = parse_labeling_config(done.label_config)
                settings = setups.settings_for(done.project_id, done.label_config)
                look_ahead(loader, done.project_id, done.task_id, config, settings)
        return _json({"status": "ok"})  # nothing is trained here, so there is nothing to start


def _health(loader: Loader) -> Response:
    error = loader.error
    facts = loader.get()[1] if error is None and loader.ready else None
    return _json(describe_health(facts, error), 503 if error else 200)


def _complain(problem: str) -> None:
    """Log what is wrong with part of a request, and say it on the status page."""
    g.problem = one_line(problem)
    log.warning("[%s] %s", g.request_id, g.problem)


def _read_json() -> Mapping[str, Any]:
    """The body's object; a body that is none, is too large or breaks off is refused."""
    check_mimetype(request.mimetype)
    try:
        with g.connection.hurried():
            body = _read_body()
    except (ClientDisconnected, OSError) as error:
        raise body_broke_off() from error
    g.is_read = True
    return parse_object(body)


def _read_body() -> bytes:
    """The whole body; one with a Content-Length over the limit is refused by werkzeug before it is read."""
    if request.content_length is None:
        return read_chunked(request.environ, current_app.config["MAX_CONTENT_LENGTH"])
    return request.get_data(cache=False)


def _project(body: Mapping[str, Any]) -> str:
    """What Label Studio calls the project in /setup and in /predict: its number and the second of its creation."""
    project = body.get("project")
    return str(project) if isinstance(project, (str, int, float)) and not isinstance(project, bool) else ""


def _add_bookkeeping(app: Flask, status: BackendStatus) -> None:
    @app.before_request
    def begin() -> None:
        g.request_id, g.started, g.problem = uuid.uuid4().hex[:12], time.monotonic(), ""
        g.what, g.connection, g.is_read = one_line(request.path), Connection(request.environ), False

    @app.after_request
    def end(response: Response) -> Response:
        if not g.is_read and (request.content_length or "Transfer-Encoding" in request.headers):
            g.connection.stop_reading()
        seconds = time.monotonic() - g.started
        record = RequestRecord(time.time(), g.request_id, g.what, response.status_code, seconds, g.problem)
        status.add(record, request.endpoint or "unknown")
        level = logging.INFO if request.endpoint == "predict" or g.problem else logging.DEBUG
        log.log(level, "[%s] %s: %d in %.0f ms", g.request_id, g.what, response.status_code, seconds * 1000)
        response.headers["X-Request-ID"] = g.request_id
        return response


def _add_error_answers(app: Flask, max_body_bytes: int) -> None:
    @app.errorhandler(BackendError)
    def refuse(error: BackendError) -> Response:
        return _refusal(error.message, error.remedy, error.http_status)

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return refuse(body_too_large(request.content_length, max_body_bytes))

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> Response:
        message = f"{request.method} {request.path}: {error.description}"
        routes = sorted({rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"})
        return _refusal(message, f"The routes are {', '.join(routes)}.", error.code or 500)

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        log.exception("[%s] %s %s broke.", g.request_id, request.method, request.path)
        message = f"The backend broke: {type(error).__name__}."
        return _refusal(message, f"Look for {g.request_id} in the backend's log and report it.", 500)


def _refusal(message: str, remedy: str, http_status: int) -> Response:
    message, remedy = one_line(message), one_line(remedy)
    g.problem = f"{message} {remedy}"
    log.warning("[%s] %s", g.request_id, g.problem)
    response = _json({"error": message, "remedy": remedy, "request_id": g.request_id}, http_status)
    response.status = f"{http_status} {reason_phrase(message, remedy)}"
    return response


def _json(body: Mapping[str, Any], http_status: int = 200) -> Response:
    return Response(orjson.dumps(body), status=http_status, content_type="application/json")
