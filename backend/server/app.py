"""create_app: the WSGI application, put together from its routes, its error replies and its request log."""

from __future__ import annotations

from flask import Flask

from backend.projects import ProjectSetups
from backend.server.admission import Admission
from backend.server.error_replies import add_error_replies
from backend.server.metrics import Metrics
from backend.server.ml_backend import add_ml_backend_routes
from backend.server.recent_requests import RecentRequests
from backend.server.request_log import add_request_log
from backend.server.services import Loader
from backend.server.state_routes import add_state_routes


def create_app(
    loader: Loader,
    metrics: Metrics,
    *,
    max_body_bytes: int,
    max_predictions: int = 64,
    setups: ProjectSetups | None = None,
) -> Flask:
    """Build the WSGI application.

    Args:
        loader: Provides the predictor and the other services once they are loaded.
        metrics: Counts the requests.
        max_body_bytes: Limit of a request body; larger ones are answered with 413.
        max_predictions: Limit of predictions that run or wait; more are answered with 503, which keeps threads free
            for `/health`.
        setups: Store of the projects' settings; by default in this process.
    """
    app, recent, setups = Flask(__name__), RecentRequests(), setups or ProjectSetups()
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    add_request_log(app, metrics, recent)
    add_error_replies(app)
    add_state_routes(app, loader, metrics, recent, setups)
    admission = Admission(max_predictions)
    metrics.attach_admission(admission)
    add_ml_backend_routes(app, loader, setups, admission)
    return app
