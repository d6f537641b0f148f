"""create_app: the WSGI application, put together from its routes, its error replies and its request log."""

from __future__ import annotations

from flask import Flask

from backend.label_studio.requests import RequestLimits
from backend.projects import ProjectSetups
from backend.server.admission import Admission
from backend.server.authentication import add_authentication
from backend.server.credentials import Credentials
from backend.server.error_replies import add_error_replies
from backend.server.metrics import Metrics
from backend.server.ml_backend import add_ml_backend_routes
from backend.server.recent_requests import RecentRequests
from backend.server.request_log import add_request_log
from backend.server.services import Loader
from backend.server.state_routes import add_state_routes
from backend.server.webhook_gate import WebhookGate


def create_app(
    loader: Loader,
    metrics: Metrics,
    *,
    max_body_bytes: int,
    max_predictions: int = 64,
    setups: ProjectSetups | None = None,
    credentials: Credentials | None = None,
    limits: RequestLimits = RequestLimits(),
) -> Flask:
    """Build the WSGI application.

    Args:
        loader: Provides the predictor and the other services once they are loaded.
        metrics: Counts the requests.
        max_body_bytes: Limit of a request body; larger ones are answered with 413.
        max_predictions: Limit of predictions that run or wait; more are answered with 503, which keeps threads free
            for `/health`.
        setups: Store of the projects' settings; by default in this process.
        credentials: That callers must have; by default none.
        limits: Limits on prompts and labeling configs.
    """
    app, recent = Flask(__name__, static_folder=None), RecentRequests()
    setups, credentials = setups or ProjectSetups(limits=limits.config), credentials or Credentials()
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    add_request_log(app, metrics, recent)
    add_error_replies(app)
    add_authentication(app, credentials)
    add_state_routes(app, loader, metrics, recent, setups)
    admission = Admission(max_predictions)
    metrics.attach_admission(admission)
    add_ml_backend_routes(app, loader, setups, WebhookGate(credentials), admission, limits)
    return app
