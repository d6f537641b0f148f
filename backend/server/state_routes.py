"""Routes that report the backend's state: /health, /ready and /metrics, and for people the status page at /."""

from __future__ import annotations

import secrets
import time

from flask import Flask, Response, g, render_template, request

from backend.errors import NotReady
from backend.projects import ProjectSetups
from backend.runtime import is_draining
from backend.server.health import describe_health, describe_health_to_strangers
from backend.server.json_response import json_response
from backend.server.metrics import Metrics
from backend.server.project_list import list_projects
from backend.server.recent_requests import RecentRequests
from backend.server.services import Loader
from backend.server.status_page import render_status_page

_ICON_SECONDS = 86_400


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
        nonce = secrets.token_urlsafe(16)
        page = render_status_page(started_at, services, problem, list_projects(setups), recent, metrics, nonce)
        return Response(page, content_type="text/html; charset=utf-8", headers=_headers_of_page(nonce))

    @app.get("/favicon.ico")
    def favicon() -> Response:
        icon = Response(render_template("icon.svg"), content_type="image/svg+xml")
        icon.cache_control.max_age = _ICON_SECONDS
        return icon

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


def _headers_of_page(nonce: str) -> dict[str, str]:
    """Return headers that let the page load and run nothing but its own style, script and icon."""
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src 'self'"
    return {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
