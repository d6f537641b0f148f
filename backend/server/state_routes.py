"""Routes that report the backend's state: /health, /ready and /metrics, and for people the status page at /."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from backend.errors import NotReady
from backend.projects import ProjectSetups
from backend.runtime import is_draining
from backend.server.health import describe_health, describe_health_to_strangers
from backend.server.json_response import json_response
from backend.server.metrics import Metrics
from backend.server.recent_requests import RecentRequests
from backend.server.services import Loader
from backend.server.status_page import list_projects, render_status_page


def add_state_routes(
    app: Flask, loader: Loader, metrics: Metrics, recent: RecentRequests, setups: ProjectSetups
) -> None:
    """Add the routes; none of them waits for the models."""
    started_at = time.time()

    @app.get("/health")
    def health() -> Response:
        error = loader.error
        services = loader.get() if error is None and loader.ready else None
        describe = describe_health if g.is_known_caller else describe_health_to_strangers
        return json_response(describe(services, error), 503 if error else 200)

    @app.get("/")
    def index() -> Response:
        if "text/html" not in request.accept_mimetypes.values():
            return health()
        services = loader.get() if loader.ready else None
        problem = str(loader.error) if loader.error else "The models are still loading."
        page = render_status_page(started_at, services, problem, list_projects(setups), recent)
        return Response(page, content_type="text/html; charset=utf-8")

    @app.get("/ready")
    def ready() -> Response:
        is_leaving = is_draining(request.environ)
        if not g.is_known_caller:
            is_ready = loader.ready and not is_leaving
            return json_response({"ready": is_ready}, 200 if is_ready else 503)
        if is_leaving:
            raise NotReady("The server is shutting down.", remedy="Ask another replica, or wait for the restart.")
        if loader.error is not None:
            raise NotReady(loader.error.message, remedy=loader.error.remedy)
        return json_response({"ready": True, "model_version": loader.get().facts.model_version})

    @app.get("/metrics", endpoint="metrics")
    def render_metrics() -> Response:
        return Response(metrics.render(), content_type="text/plain; version=0.0.4; charset=utf-8")
