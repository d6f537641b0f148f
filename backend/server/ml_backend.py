"""Routes of Label Studio's ML backend protocol: /setup, /predict, /webhook and /versions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g

from backend.errors import BackendError, Overloaded
from backend.label_studio.config import MessageLine, parse_labeling_config
from backend.label_studio.requests import (
    PredictBody,
    RequestLimits,
    parse_finished_task,
    parse_predict_body,
    parse_predict_request,
)
from backend.projects import ProjectSettings, ProjectSetups
from backend.runtime import stage
from backend.server.admission import Admission
from backend.server.json_response import json_response
from backend.server.log_text import answer_in_words, fields_of, one_line, request_in_words
from backend.server.message_line import note_message_line
from backend.server.predict_replies import prefetch_after, prefetch_after_hint, reply_to
from backend.server.request_body import read_json
from backend.server.request_log import report_problem
from backend.server.services import Loader
from backend.server.webhook_gate import WebhookGate

log = logging.getLogger(__name__)

LOADING_VERSION = "loading"


def add_ml_backend_routes(
    app: Flask,
    loader: Loader,
    setups: ProjectSetups,
    gate: WebhookGate,
    admission: Admission,
    limits: RequestLimits,
) -> None:
    """Add the routes that Label Studio calls.

    Args:
        gate: Decides which webhooks are let in.
        admission: Limits the predictions.
        limits: Limits on prompts and labeling configs.
    """

    @app.post("/setup")
    def setup() -> Response:
        body = read_json()
        g.fields = {"project": _number_of(_project_of(body))}
        _accept_setup(body, setups)
        if not loader.ready and loader.error is None:
            return json_response({"model_version": LOADING_VERSION})
        return json_response({"model_version": loader.get().facts.model_version})  # raises the loader's error, if any

    @app.post("/predict")
    def predict() -> Response:
        try:
            with admission.admit():
                results = _predict(read_json(), loader, setups, limits)
                with stage("write"):
                    return json_response({"results": results})
        except Overloaded:
            if "message_line" not in g:  # refused before the body was read
                try:
                    _parse(read_json(), setups, limits)
                except BackendError as error:  # that there is no room is the error to answer
                    log.debug("The body of a request that is refused for lack of room: %s", error)
            raise

    @app.post("/webhook")
    def webhook() -> Response:
        is_proven = gate.admit()
        _prefetch_after(read_json(), loader, setups, limits, None if is_proven else gate)
        return json_response({"status": "ok"})  # there is no training to start

    @app.get("/versions")
    def versions() -> Response:
        return json_response({"versions": [loader.get().facts.model_version] if loader.ready else []})


def _accept_setup(body: Mapping[str, Any], setups: ProjectSetups) -> None:
    schema, origin = (value if isinstance(value := body.get(key), str) else "" for key in ("schema", "hostname"))
    setups.accept(_project_of(body), origin, schema, body.get("extra_params"))


def _predict(document: Mapping[str, Any], loader: Loader, setups: ProjectSetups, limits: RequestLimits) -> list[Any]:
    """Answer the tasks of a /predict body, one result each, and start the prefetch of the tasks that follow."""
    body, settings, line = _parse(document, setups, limits)
    parsed = parse_predict_request(body, settings.text_prompt, settings.messages)
    g.summary, g.fields = request_in_words(parsed), fields_of(parsed)
    if parsed.request is None and line and not body.shows_message(line.name):
        line = None  # an opened page sends requests without prompts, too; they must not change the annotation
    results = reply_to(parsed, loader, settings, report_problem, g.connection.has_disconnected, line)
    if len(parsed.tasks) == 1:  # a batch does not tell where in the project a person is
        prefetch_after(loader, parsed.project_id, parsed.tasks[0].task_id, parsed.config, settings)
    g.summary = f"{g.summary}: {answer_in_words(results)}"
    return results


def _parse(
    document: Mapping[str, Any], setups: ProjectSetups, limits: RequestLimits
) -> tuple[PredictBody, ProjectSettings, MessageLine | None]:
    """Parse a /predict body as far as the settings of its project and the page's message line."""
    body = parse_predict_body(document, limits)
    settings = setups.settings_for(_project_of(document), body.config.xml)
    return body, settings, note_message_line(body, settings)


def _prefetch_after(
    body: Mapping[str, Any],
    loader: Loader,
    setups: ProjectSetups,
    limits: RequestLimits,
    gate: WebhookGate | None,
) -> None:
    """Prefetch the tasks that follow a finished one; any other webhook is ignored.

    Args:
        gate: Limits the hints of one project; None for a webhook that has proven its origin.
    """
    g.summary = one_line(f"webhook {body.get('action')}")
    done = parse_finished_task(body)
    if done is None:
        return
    if gate is not None:
        gate.admit_hint(done.project_id)
    if gate is not None and not g.is_known_caller:
        prefetch_after_hint(loader, done.project_id, done.task_id)
        return
    try:
        config = parse_labeling_config(done.label_config, limits.config)
        settings = setups.settings_for(done.project_id, done.label_config)
        prefetch_after(loader, done.project_id, done.task_id, config, settings)
    except BackendError as error:  # it is answered when a prediction is requested
        log.info("Nothing is prefetched after task %s of project %s: %s", done.task_id, done.project_id, error)


def _project_of(body: Mapping[str, Any]) -> str:
    """Return Label Studio's project key, the same in /setup and /predict: its id and creation time in seconds."""
    project = body.get("project")
    return str(project) if isinstance(project, (str, int, float)) and not isinstance(project, bool) else ""


def _number_of(project: str) -> str:
    """Return the project's id, the part of the key before the dot; "" if the key cannot be Label Studio's."""
    number = project.partition(".")[0]
    return number if number.isascii() and number.isdigit() and len(number) <= 18 else ""
